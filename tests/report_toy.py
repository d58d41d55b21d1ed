"""Runs for the tests of reports: drawn images, maps with a known fault each, and their records."""

import numpy as np
import torch
from PIL import Image

from wsol_mm.evaluation import WSOLMetric

EVIL = '</script><script>document.title="broken"</script>'
CLASSES = [EVIL, "auk", "wren"]
FAULTS = ("right", "part only", "too big", "wrong place", "several objects", "no box")
TRUTH = {"one": [[40.0, 30, 100, 80]], "two": [[20.0, 30, 60, 80], [70.0, 30, 110, 80]]}
# x0, y0, x1, y1 in cells of 5 pixels: where the map is high
HIGH = {
    "right": (8, 6, 20, 16),
    "part only": (11, 8, 15, 12),
    "too big": (0, 0, 26, 18),
    "wrong place": (22, 11, 32, 18),
    "several objects": (4, 6, 22, 16),
}


def make_result(folder, name, faults, *, seed=0, scores=True):
    """Write ``<folder>/<name>.json``, its records, images and maps; the path of the json."""
    out = folder / f"{name}.json"
    metric = WSOLMetric(protocol="original", threshold=0.5, bootstrap=50, out=str(out))
    for number, fault in enumerate(faults):
        rng = np.random.default_rng(seed + number)
        img_id = f"<i>&/{number:02}.png"
        truth = TRUTH["two" if fault == "several objects" else "one"]
        picture = np.full((90, 160, 3), (120, 150, 190), np.uint8)
        for x0, y0, x1, y1 in np.array(truth, int):
            picture[y0:y1, x0:x1] = (150, 60 + 20 * (number % 5), 40)
        path = folder / "images" / img_id
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
        score_map = np.zeros((18, 32), np.float32)
        if fault in HIGH:
            x0, y0, x1, y1 = HIGH[fault]
            score_map[y0:y1, x0:x1] = 1 + rng.random((y1 - y0, x1 - x0)) * 0.2
        (folder / f"{name}_maps" / img_id).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{name}_maps" / f"{img_id}.npy", score_map)
        label = number % 3
        first = (label + 1) % 3 if number == 0 else label  # the first image is taken for another
        sample = {
            "img_id": img_id,
            "img_path": str(path),
            "gt_label": label,
            "ori_shape": (90, 160),
            "img_shape": (224, 224),
            "homography_matrix": np.diag([224 / 160, 224 / 90, 1.0]),
            "gt_instances": {"bboxes": torch.tensor(truth)},
            "pred_maps": score_map[None],
            "map_labels": np.array([label]),
        }
        if scores:
            sample["pred_score"] = np.eye(3)[first]
        metric.process(None, [sample])
    metric.dataset_meta = {"classes": CLASSES}
    metric.compute_metrics(metric.results)
    return out
