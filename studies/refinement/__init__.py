"""What refiners change, measured and drawn."""
