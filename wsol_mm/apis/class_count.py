"""The number of classes of a data set, written into a localizer's config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS


def take_classes_from_data(cfg: Config) -> list[str]:
    """Set ``num_classes`` of every head of the model to the number of classes of the data.

    Does nothing unless the config says ``classes_from_data = True``: its heads then fit any part of
    the data set. The teachers that a model names in its config are part of it. Classes are those of
    the training data, or of the test data where there is no training data.

    Args:
        cfg: A config with data loaders; changed in place.

    Returns:
        The keys that were changed.

    Raises:
        FileNotFoundError, ValueError: The data set cannot be read; the message is its own.
    """
    if not cfg.get("classes_from_data"):
        return []
    settings = [cfg[f"{split}_dataloader"].dataset.to_dict() for split in ("train", "test")]
    chosen = next((item for item in settings if Path(item["data_root"]).is_dir()), settings[0])
    dataset = DATASETS.build({**chosen, "pipeline": []})
    count = len(dataset.metainfo["classes"])
    changed = _write(cfg.model, "model", count)
    if "num_classes" in cfg.get("data_preprocessor", {}):  # CutMix writes one-hot scores
        cfg.data_preprocessor.num_classes = count
    if changed:
        print(f"classes_from_data: {count} in {chosen['data_root']}: {', '.join(changed)}")
    return changed


def _write(node: Any, path: str, count: int) -> list[str]:
    changed = []
    for key, value in node.items() if isinstance(node, dict) else ():
        if key == "head" and isinstance(value, dict) and value.get("num_classes", count) != count:
            value["num_classes"] = count
            changed.append(f"{path}.head.num_classes")
        changed += _write(value, f"{path}.{key}", count)
    return changed
