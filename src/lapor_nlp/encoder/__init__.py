"""The encoder: one vector for each text."""
