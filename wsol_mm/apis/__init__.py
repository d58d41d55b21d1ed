"""What the tools run."""
