"""Ways out for data: query rows in, bytes of a standard format out. Pure, as figures are."""
