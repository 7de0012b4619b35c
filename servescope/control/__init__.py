"""Desired and actual state in the store's file: load runs, listeners, comparisons, and the rest."""
