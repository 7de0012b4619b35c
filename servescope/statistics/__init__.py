"""Pure statistics: arrays in, figures with their uncertainty out; numpy alone."""
