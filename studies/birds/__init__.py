"""Short runs of every family on photographs of birds."""
