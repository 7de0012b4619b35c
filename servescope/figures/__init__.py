"""Pure functions from query rows to figure dicts."""
