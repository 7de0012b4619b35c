"""Frozen records that the layers hand to each other, and the enumerations of their fields."""
