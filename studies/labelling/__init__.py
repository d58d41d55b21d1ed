"""What tools/label.py is worth on birds: its confidence, and a detector on its boxes."""
