"""Trials: what one is, running it once, reading its result."""
