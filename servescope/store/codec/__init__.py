"""Bytes in, arrays out: how rows, chunks and histograms are packed. Knows no SQL."""
