"""A classifier that sees colours, and pictures for it: where its maps must be is known."""

from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor, nn

from wsol_mm.apis.localizer import Localizer

COLOURS = ("red", "green", "blue")


class ColourNetwork(nn.Module):
    """Classes are red, green and blue; features are means of 16 x 16 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.AvgPool2d(16)
        self.head = nn.Linear(3, 3)
        nn.init.eye_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B, 3)."""
        return self.head(self.blocks(inputs).mean((2, 3)))


def colour_localizer(**more: Any) -> Localizer:
    """A Localizer with that network at 224 px."""
    settings = dict(size=(224, 224), mean=(0, 0, 0), std=(255, 255, 255))
    more = {"classes": COLOURS, "preprocessing": settings, "show_progress": False, **more}
    return Localizer(ColourNetwork(), device="cpu", **more)


def rectangles(size: tuple[int, int], **boxes: tuple[int, int, int, int]) -> Image.Image:
    """An RGB picture of (width, height) with rectangles on black.

    Args:
        size: (width, height).
        boxes: Colour -> x0, y0, x1, y1.
    """
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    for name, (x0, y0, x1, y1) in boxes.items():
        picture[y0:y1, x0:x1, COLOURS.index(name)] = 255
    return Image.fromarray(picture)
