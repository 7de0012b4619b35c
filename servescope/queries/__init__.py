"""The questions pages ask, answered as typed rows; the snapshot cache sits here."""
