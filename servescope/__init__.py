"""Servescope: host a web server, watch it live, load it, and see where the milliseconds go."""
