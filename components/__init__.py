"""What pages are made of: plain values in, components out."""
