"""Speed of the package against the best direct alternatives, as ratios of one run."""
