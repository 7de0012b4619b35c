"""The store in one SQLite file: frames, chunks, tiers, and the answers to questions about them."""
