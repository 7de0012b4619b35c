"""Sockets of servers and clients: binding, bytes, encryption, the kernel's timestamps."""
