"""Concurrency models, one file each; `REGISTRY` names them."""
