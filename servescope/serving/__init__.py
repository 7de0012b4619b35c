"""The reference server: listeners, and the concurrency models that drive a Conversation."""
