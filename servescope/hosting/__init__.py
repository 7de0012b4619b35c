"""From a parsed request to a response: static files, WSGI, and the sans-IO Conversation."""
