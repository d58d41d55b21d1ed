"""Fixtures of the tests of pages."""

import os
import shutil

import pytest
from chromium_run import NAMES


@pytest.fixture(scope="session")
def chromium():
    """A Chromium to run; the tests that need one are skipped without it."""
    found = os.environ.get("WSOL_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium: apt install chromium, or set WSOL_CHROMIUM")
    return found
