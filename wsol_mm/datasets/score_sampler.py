"""Images drawn by how sure the maker of their pseudo boxes was: weights of images in the loss."""

from collections.abc import Iterator
from pathlib import Path

import torch
from mmengine.dataset import DefaultSampler

from wsol_mm.datasets.base import WSOLDataset
from wsol_mm.datasets.box_file import coco_images, read_json
from wsol_mm.registry import DATA_SAMPLERS


def image_scores(file: Path) -> dict[str, float]:
    """Best score of each image's boxes in a pseudo-box file.

    Args:
        file: COCO json whose annotations have a ``score``.

    Returns:
        By ``file_name``, of the images that have boxes.

    Raises:
        ValueError: A box has no score.
    """
    cure = "make it with tools/pseudo_boxes.py CONFIG CHECKPOINT --split train, which keeps them"
    content = read_json(file, cure)
    images = coco_images(content, file)
    best: dict[str, float] = {}
    for number, entry in enumerate(content["annotations"]):
        score = entry.get("score")
        if not isinstance(score, int | float) or not score >= 0:
            raise ValueError(f"{file}: annotations[{number}] has score {score}; {cure}")
        name = images[entry["image_id"]]["file_name"]
        best[name] = max(best.get(name, 0.0), float(score))
    return best


@DATA_SAMPLERS.register_module()
class ScoreSampler(DefaultSampler):
    """Draws as many images as there are, with replacement, an image as often as its weight says.

    The weight of an image is its best pseudo box's score to a power, so the expected loss of an
    epoch is the sum of the images' losses times their weights, up to a factor, whatever the
    detector and its normalisers. An image without a box has the mean weight. Every epoch draws
    anew from the seed and its number, the same in all processes.

    Args:
        dataset: With ``pseudo_boxes``, a file that keeps scores.
        power: Exponent; 0 draws all images alike.
        seed: As in ``DefaultSampler``.

    Raises:
        ValueError: The data set reads no pseudo boxes, these have no scores or none above 0, or the
            power is negative.
    """

    def __init__(self, dataset: WSOLDataset, power: float = 1.0, seed: int | None = None) -> None:
        if not power >= 0:
            raise ValueError(f"ScoreSampler: power={power} must be at least 0")
        file = getattr(dataset, "pseudo_boxes", None)
        if file is None:
            raise ValueError("ScoreSampler: the data set needs supervision='pseudo_boxes'")
        super().__init__(dataset, shuffle=True, seed=seed)
        scores = image_scores(Path(file))
        ids = [dataset.get_data_info(index)["img_id"] for index in range(len(dataset))]
        known = torch.tensor([scores.get(name, 0.0) for name in ids], dtype=torch.float64)
        boxed = torch.tensor([name in scores for name in ids])
        weights = known**power
        if not weights[boxed].sum() > 0:
            raise ValueError(f"ScoreSampler: no image of {file} has a score above 0")
        self.weights = torch.where(boxed, weights, weights[boxed].mean())

    def __iter__(self) -> Iterator[int]:
        """This process's share of the epoch's images."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        drawn = torch.multinomial(self.weights, self.total_size, True, generator=generator)
        return iter(drawn[self.rank :: self.world_size].tolist())
