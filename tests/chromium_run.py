"""Headless Chromium for the tests of pages."""

import subprocess

NAMES = ("chromium", "chromium-browser", "chromium-headless-shell", "google-chrome")


def run_chromium(chromium, *options):
    """What Chromium prints."""
    head = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900"]
    done = subprocess.run(
        [*head, *options], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout
