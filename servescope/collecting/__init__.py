"""From the rings and the samplers to one frame a second in the store."""
