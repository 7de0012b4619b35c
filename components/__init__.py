"""The parts of pages: plain values in, components out."""
