"""What the studies on toy scenes share, and those that have one page of their own."""
