"""The model `thread_pool`: leader and followers over epoll(7)."""
