"""A verdict between two servers: both are put under the same load in turns, and judged."""
