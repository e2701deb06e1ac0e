"""Which earlier reports a report repeats: by meaning, wording, place and time, with a probability."""
