"""Random search over declared ranges, and sweeps of one key."""
