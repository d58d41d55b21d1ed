"""Images of a report: a small jpeg with the map, the boxes and the truth laid over it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from wsol_mm.apis.images import read_image
from wsol_mm.apis.report_data import Floats, Run
from wsol_mm.evaluation.map_files import load_map
from wsol_mm.evaluation.results import rule_of_stamp
from wsol_mm.functional.image_record import ImageRecord, MapRecord

LONGEST_SIDE, MAP_SIDE = 280, 96


@dataclass(frozen=True)
class Pictures:
    """Where the images and the maps of a run lie.

    Attributes:
        run: The run.
        images: Folder that image names are relative to; None for the files that the records name.
        maps: Folder of saved maps (``tools/test.py --dump-maps``); None for none.
    """

    run: Run
    images: Path | None = None
    maps: Path | None = None

    def draw(self, index: int, caption: str, more: Mapping[str, Floats] | None = None) -> str:
        """One image as a figure.

        Args:
            index: Position in the run.
            caption: Plain text below the name.
            more: Boxes of other runs by the class of their stroke.
        """
        run, record = self.run, self.run.records[index]
        size = record.image_size
        head = f'<figcaption><b title="{escape(record.img_id)}">{escape(record.img_id)}</b>'
        head += f"<br>{escape(run.class_name(record.gt_label))}<br>{escape(caption)}</figcaption>"
        if size is None:
            return f"<figure>{head}</figure>"
        width, height = (int(side) for side in size)
        layers = [f'<rect class="blank" width="{width}" height="{height}"/>']
        source = self._embedded(record)
        if source:
            layers.append(f'<image href="{source}" width="{width}" height="{height}"{_STRETCH}/>')
        layers.append(self._map(record, width, height))
        for box in () if run.truth is None else run.truth[index]:
            layers.append(_rect(box, "truth"))
        boxes = {"found": run.boxes[index]} if run.boxes is not None else {}
        layers += [_rect(box, kind) for kind, box in {**boxes, **(more or {})}.items()]
        return f'<figure><svg viewBox="0 0 {width} {height}">{"".join(layers)}</svg>{head}</figure>'

    def _embedded(self, record: ImageRecord) -> str | None:
        """A data URL of the image; None where it is not there or has another size."""
        path = self.images / record.img_id if self.images else Path(record.img_path or "")
        if not path.is_file() or record.image_size is None:
            return None
        picture = Image.fromarray(read_image(path))
        if list(picture.size) != record.image_size.tolist():
            return None
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        return _data_url(picture, "JPEG", quality=80)

    def _map(self, record: ImageRecord, width: int, height: int) -> str:
        """The map as it was evaluated, more opaque where it is higher."""
        if self.maps is None or not isinstance(record, MapRecord) or record.to_frame is None:
            return ""
        path = self.maps / f"{record.img_id}.npy"
        if not path.is_file():
            return ""
        side = self.run.protocol.frame
        rule = rule_of_stamp(self.run.details["stamp"])
        values = rule.frame(load_map(path, finite=False), (side, side)).values
        small = cv2.resize(values, (MAP_SIDE, MAP_SIDE), interpolation=cv2.INTER_AREA).clip(0, 1)
        level = (255 * small).astype(np.uint8)
        colours = cv2.applyColorMap(level, cv2.COLORMAP_TURBO)[..., ::-1]
        alpha = (170 * small).astype(np.uint8)[..., None]
        source = _data_url(Image.fromarray(np.concatenate([colours, alpha], axis=2)), "PNG")
        x_scale, y_scale, x_offset, y_offset = record.to_frame.tolist()
        place = f'x="{-x_offset / x_scale:.2f}" y="{-y_offset / y_scale:.2f}"'
        place += f' width="{side / x_scale:.2f}" height="{side / y_scale:.2f}"'
        return f'<image class="map" href="{source}" {place}{_STRETCH}/>'


_STRETCH = ' preserveAspectRatio="none"'


def _rect(box: Floats, kind: str) -> str:
    x0, y0, x1, y1 = (float(side) for side in box)
    if x1 <= x0 or y1 <= y0:
        return ""
    return (
        f'<rect class="box {kind}" x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" '
        f'height="{y1 - y0:.1f}"/>'
    )


def _data_url(picture: Image.Image, kind: str, **options: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    text = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{text}"
