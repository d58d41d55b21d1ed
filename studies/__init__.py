"""Evidence for what the package does: trials, effect rows, papers' tables, searches, costs.

Not part of the wheel; may import everything, is imported by nothing of wsol_mm."""
