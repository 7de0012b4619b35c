"""Hosting ASGI 3 applications: HTTP, WebSocket, lifespan."""
