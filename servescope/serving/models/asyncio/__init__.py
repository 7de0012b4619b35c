"""The model `asyncio`: one event loop, its connections, and the threads for apps that block."""
