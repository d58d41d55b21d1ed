"""The papers' tables and figures, with ours beside them."""
