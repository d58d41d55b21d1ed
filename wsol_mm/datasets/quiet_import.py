"""Imports MMPretrain's data sets without the line that they print where OneDL is not installed."""

from contextlib import redirect_stdout
from io import StringIO

with redirect_stdout(StringIO()):
    import mmpretrain.datasets  # noqa: F401
