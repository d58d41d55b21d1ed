"""Warnings that one line is enough for, whichever process meets the case first."""

from __future__ import annotations

import logging

import torch
from mmengine.logging import print_log


class WarnOnce:
    """Log the first of a kind of warnings; processes that are started later share the memory.

    Args:
        more: Said behind the first text: where all cases are counted.
    """

    def __init__(self, more: str = "tools/misc/check_dataset.py counts such files") -> None:
        self.more = more
        self._said = torch.zeros(1, dtype=torch.uint8).share_memory_()

    def __call__(self, text: str) -> None:
        """Log `text`, unless another one was."""
        if not self._said.item():
            self._said.fill_(1)
            print_log(f"{text}; {self.more}", logger="current", level=logging.WARNING)
