"""Effect rows: a claim, a baseline, a method, an interval."""
