"""Pictures of the documents that need no training: what each method does to a map or an image.

    python -m studies.method_pictures

EfficientNet-Lite0 with its ImageNet weights on two photographs of scikit-image; class: the best;
boxes: the largest component above the Localizer's threshold. A method's own training is not in
them: of what happens in training they show the step itself, on the features of this network.
Writes docs/methods/<method>.jpg with captions.json, docs/localize.jpg and docs/thresholds.jpg.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsol_mm import Localizer
from wsol_mm.apis.predicted_boxes import DEFAULT_THRESHOLD
from wsol_mm.datasets.transforms.hide_and_seek import HideAndSeek
from wsol_mm.functional import (
    BoxRule,
    Moments,
    bipartition,
    class_activation_maps,
    combination_weights,
    combine_class_maps,
    ddt_maps,
    enhance,
    erase_salient,
    foreground_masks,
    guidance_mask,
    minmax_maps,
    norm_map,
    oriented,
    principal_component,
    refine_maps,
    repredict,
    second_eigenvectors,
    similarity_maps,
    standardize_maps,
    token_graphs,
    update_moments,
)
from wsol_mm.functional.attention_dropout import attention_mask
from wsol_mm.functional.weighted_entropy import weighted_entropy
from wsol_mm.io import atomic_write
from wsol_mm.visualization.drawing import PREDICTION, draw_boxes, image_grid, overlay_map

ROOT = Path(__file__).resolve().parents[1]
RULE = BoxRule(threshold=DEFAULT_THRESHOLD)
SIDE = 224
Picture = NDArray[np.uint8]


class Scene(NamedTuple):
    """A photograph and what the network makes of it."""

    image: Picture  # (224, 224, 3), BGR, squashed as the network sees it
    features: Tensor  # (1, C, h, w), before pooling
    earlier: Tensor  # (1, c, h, w), of the last stage
    scores: Tensor  # (1, K)
    weight: Tensor  # (K, C)
    names: tuple[str, ...]  # of the K classes

    @property
    def label(self) -> Tensor:
        """The best class, (1, 1)."""
        return self.scores.argmax(dim=1, keepdim=True)

    def cam(self, features: Tensor | None = None) -> NDArray[np.float32]:
        """The class activation map of the best class, (h, w)."""
        given = self.features if features is None else features
        return as_map(class_activation_maps(given, self.weight, self.label))

    def over(self, score_map: NDArray[Any], rule: BoxRule | None = RULE) -> Picture:
        """The photograph under a map, with its box."""
        size = (SIDE, SIDE)
        shown = overlay_map(self.image, (rule or RULE).frame(score_map, size).values)
        if rule is None:
            return shown
        return draw_boxes(shown, rule.apply(score_map, size), PREDICTION)


def as_map(maps: Tensor) -> NDArray[np.float32]:
    """The one map of a batch."""
    return maps.detach().numpy().reshape(maps.shape[-2:])


def scene(localizer: Localizer, photograph: Picture) -> Scene:
    """Run the network on one photograph, (H, W, 3) RGB."""
    model: Any = localizer.model
    image = cv2.resize(photograph[..., ::-1], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    seen: list[Tensor] = []
    stage = model.backbone.timm_model.blocks[5]
    handle = stage.register_forward_hook(lambda *call: seen.append(call[2]))
    batch = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
    with torch.no_grad():
        inputs = model.data_preprocessor({"inputs": batch})["inputs"]
        features = model.head.pre_logits(model.extract_feat(inputs))
        scores = model.head.class_scores(features)
    handle.remove()
    weight = model.head.fc.weight.detach()
    return Scene(image, features, seen[0], scores, weight, localizer.classes)


def covered(image: Picture, mask: NDArray[np.bool_], value: int = 0) -> Picture:
    """The photograph with what a mask of any size marks painted over."""
    large = cv2.resize(mask.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    return np.where(large[..., None] > 0, np.uint8(value), image)


def acol(s: Scene) -> list[Picture]:
    """The second classifier sees what the first one's map leaves."""
    first = minmax_maps(class_activation_maps(s.features, s.weight, s.label))
    left = erase_salient(s.features, first, 0.7)
    gone = as_map(first) >= 0.7
    return [s.over(s.cam()), covered(s.image, gone), s.over(s.cam(left))]


def adl(s: Scene) -> list[Picture]:
    """Drop mask and importance map."""
    gone = as_map(attention_mask(s.earlier.abs(), 0.7).float()) > 0
    importance = as_map(s.earlier.abs().mean(dim=1).sigmoid())
    return [s.over(s.cam()), covered(s.image, gone), s.over(importance, None)]


def bridgegap(s: Scene) -> list[Picture]:
    """The two factors of a class activation map."""
    similarity = as_map(similarity_maps(s.features, s.weight, s.label))
    return [s.over(s.cam()), s.over(as_map(norm_map(s.features)), None), s.over(similarity)]


def cam(s: Scene) -> list[Picture]:
    """Map and box."""
    return [s.image, s.over(s.cam(), None), s.over(s.cam())]


def ddt(s: Scene) -> list[Picture]:
    """The direction in which the features of the photograph vary most."""
    moments = update_moments(Moments.empty(s.earlier.shape[1]), s.earlier)
    mean, component = principal_component(moments)
    towards = oriented(component, moments, None, "border")
    only = torch.zeros(1, 1, dtype=torch.int64)
    maps = ddt_maps(s.earlier, mean[None].float(), towards[None].float(), only)
    rule = BoxRule(threshold=0.0, normalization="max")  # DDT's own: what is positive
    return [s.image, s.over(as_map(maps), rule)]


def has(s: Scene, localizer: Localizer) -> list[Picture]:
    """A training image with hidden cells, and where the network looks then."""
    np.random.seed(0)
    hide = HideAndSeek(grid_size=28, drop_rate=0.5, mean=(127, 127, 127))
    hidden = hide.transform({"img": s.image})["img"].astype(np.uint8)
    seen = scene(localizer, hidden[..., ::-1])._replace(scores=s.scores)
    return [s.over(s.cam()), hidden, seen.over(seen.cam())]


def lcar(s: Scene) -> list[Picture]:
    """A map, refined by colours, then by a network that learns on the photograph itself."""
    refined = refine_maps(s.cam()[None], s.image)[0]
    mask = repredict(refined, s.image).mask
    return [s.over(s.cam()), s.over(refined), covered(s.image, ~mask, 255)]


def nl_ccam(s: Scene) -> list[Picture]:
    """The best class's map, and that of all classes, ranked by their scores."""
    gamma = torch.from_numpy(
        combination_weights("top1_minus_lowest", s.scores.shape[1], lowest=20)
    ).float()
    combined = combine_class_maps(s.features, s.weight, s.scores, gamma)
    return [s.over(s.cam()), s.over(as_map(combined))]


def spg(s: Scene) -> list[Picture]:
    """What the map is sure of: white object, black ground, grey undecided."""
    values = torch.from_numpy(RULE.frame(s.cam(), (SIDE, SIDE)).values)
    mask = guidance_mask(values, high=0.7, low=0.2).numpy()
    grey = np.select([mask == 1, mask == 0], [255, 0], 128).astype(np.uint8)
    return [s.over(s.cam()), cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)]


def tokencut(s: Scene) -> list[Picture]:
    """The positions of an earlier layer, cut in two by their similarity."""
    grid = (int(s.earlier.shape[2]), int(s.earlier.shape[3]))
    tokens = s.earlier.flatten(2).transpose(1, 2)
    vector = second_eigenvectors(token_graphs(tokens, tau=0.4)).vectors[0]
    cut = bipartition(vector, grid)
    return [s.image, s.over(cut.map, None), covered(s.image, ~cut.mask, 255)]


def c2am(s: Scene) -> list[Picture]:
    """The two sides whose mean features C2AM contrasts."""
    front = as_map(minmax_maps(class_activation_maps(s.features, s.weight, s.label)))
    return [s.over(front, None), s.over(1 - front, None)]


def ci_cam(s: Scene) -> list[Picture]:
    """The context of a class, here of this photograph alone, strengthens features where it lies."""
    context = standardize_maps(class_activation_maps(s.features, s.weight, s.label)[:, 0])
    channels = s.features.shape[1]
    ones = torch.ones(1, 1, channels)
    enhanced = enhance(s.features, context[:, None], ones, torch.zeros(channels))
    return [s.over(s.cam()), s.over(as_map(context), None), s.over(s.cam(enhanced))]


def cutmix(s: Scene, localizer: Localizer) -> list[Picture]:
    """A training image with a part of another, and the first class's map there."""
    other = cv2.resize(skimage.data.rocket()[..., ::-1], (SIDE, SIDE))
    mixed = s.image.copy()
    mixed[64:176, 96:208] = other[64:176, 56:168]
    seen = scene(localizer, mixed[..., ::-1])._replace(scores=s.scores)
    return [s.over(s.cam()), mixed, seen.over(seen.cam())]


def efficientnet(s: Scene) -> list[Picture]:
    """The photograph beside its five best classes."""
    shares, labels = s.scores.softmax(dim=1)[0].topk(5)
    bars = np.full_like(s.image, 255)
    for place, (share, label) in enumerate(zip(shares.tolist(), labels.tolist(), strict=True)):
        top = 14 + 42 * place
        name = s.names[label].split(",")[0]
        cv2.putText(bars, f"{name} {share:.2f}", (8, top), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0,) * 3)
        cv2.rectangle(bars, (8, top + 6), (8 + round(200 * share), top + 16), PREDICTION, -1)
    return [s.image, bars]


def eil(s: Scene, localizer: Localizer) -> list[Picture]:
    """The most attended positions of an earlier layer are erased, and the network goes on."""
    attention = s.earlier.abs().mean(dim=1, keepdim=True)
    gone = attention > 0.7 * attention.amax()
    trunk: Any = localizer.model.backbone.timm_model
    with torch.no_grad():
        left = trunk.bn2(trunk.conv_head(trunk.blocks[6](s.earlier * ~gone)))
    return [s.over(s.cam()), covered(s.image, as_map(gone.float()) > 0), s.over(s.cam(left))]


def kg_ci_cam(s: Scene) -> list[Picture]:
    """The two images that an expert of KG-CI-CAM compares."""
    maps = minmax_maps(class_activation_maps(s.features, s.weight, s.label))[:, 0]
    front = as_map(foreground_masks(maps, (SIDE, SIDE), 0.25)) > 0
    return [s.over(s.cam()), covered(s.image, ~front), covered(s.image, front)]


def psol(s: Scene) -> list[Picture]:
    """A map's box becomes the label of an image."""
    box = RULE.apply(s.cam(), (SIDE, SIDE))
    return [s.image, s.over(s.cam()), draw_boxes(s.image, box, PREDICTION)]


def ts_cam(s: Scene) -> list[Picture]:
    """Attention that knows no class, times the maps that know it."""
    positions = torch.nn.functional.normalize(s.earlier.flatten(2)[0], dim=0)  # (c, h w)
    alike = positions.mean(dim=1) @ positions
    attention = (10 * alike).softmax(dim=0).reshape(s.earlier.shape[2:])
    semantic = minmax_maps(class_activation_maps(s.features, s.weight, s.label))
    coupled = as_map(semantic) * attention.numpy()
    return [s.over(s.cam(), None), s.over(attention.numpy(), None), s.over(coupled)]


def wend(s: Scene) -> list[Picture]:
    """The map read as p of an object, the entropy of p, and the weighted one."""
    p = minmax_maps(class_activation_maps(s.features, s.weight, s.label))
    large = torch.nn.functional.interpolate(p, size=(SIDE, SIDE), mode="bilinear")
    values = {"gamma": 6.0, "alpha": 0.1, "tau1": 0.3, "tau2": 0.3}  # the paper's on CUB
    weighted = weighted_entropy(large, **values)
    plain = weighted_entropy(large, **values, form="entropy")
    return [s.over(as_map(each), None) for each in (large, plain, weighted)]


class Drawing(NamedTuple):
    """How a method is drawn, the headings of its columns, and what one sees."""

    draw: Callable[[Scene], list[Picture]]
    titles: list[str]
    caption: str


def drawings(localizer: Localizer) -> dict[str, Drawing]:
    """The picture of each method."""
    return {
        "acol": Drawing(
            acol,
            ["first map", "erased", "second map"],
            "What the first map covers is erased from the features; the second finds what is left.",
        ),
        "adl": Drawing(
            adl,
            ["CAM", "dropped", "importance"],
            "In training the most attended positions are dropped, or all weighed by attention.",
        ),
        "bridgegap": Drawing(
            bridgegap,
            ["CAM", "norm F", "similarity S"],
            "A class activation map is the features' norm times their similarity to the class.",
        ),
        "c2am": Drawing(
            c2am,
            ["object", "ground"],
            "A map splits an image in two; C2AM learns it so that each side is alike over images "
            "and unlike the other. Here the split is that of a CAM.",
        ),
        "cam": Drawing(
            cam,
            ["photograph", "CAM", "box"],
            "The map of the best class, and the box of its largest component.",
        ),
        "ci_cam": Drawing(
            ci_cam,
            ["CAM", "context", "enhanced"],
            "The pool keeps a context for each class, which strengthens features where the class "
            "tends to lie; here it is the map of this photograph, with a projection of 1.",
        ),
        "cutmix": Drawing(
            lambda s: cutmix(s, localizer),
            ["CAM", "mixed", "its map"],
            "A part of another image is pasted in training, and the label is mixed by area.",
        ),
        "ddt": Drawing(
            ddt,
            ["photograph", "DDT"],
            "The direction in which features vary most: here those of one photograph, in a "
            "training those of all of a class.",
        ),
        "efficientnet": Drawing(
            efficientnet,
            ["photograph", "five best classes"],
            "A classifier of its own names the classes where a localizer knows none.",
        ),
        "eil": Drawing(
            lambda s: eil(s, localizer),
            ["CAM", "erased", "its map"],
            "The most attended positions of an earlier layer are erased, and a second pass through "
            "the same layers must find the class in what is left.",
        ),
        "has": Drawing(
            lambda s: has(s, localizer),
            ["CAM", "hidden cells", "its map"],
            "Cells are hidden in training, so that no part of the object can be relied on.",
        ),
        "kg_ci_cam": Drawing(
            kg_ci_cam,
            ["CAM", "foreground", "background"],
            "Each expert sees the object and the rest of the image apart, cut by its own map.",
        ),
        "lcar": Drawing(
            lcar,
            ["CAM", "ARM", "SGRM's mask"],
            "The refiners behind a plain CAM: colours first, then a small network that learns on "
            "the photograph itself.",
        ),
        "nl_ccam": Drawing(
            nl_ccam,
            ["CAM", "combined"],
            "The best class's map minus those of the least likely classes.",
        ),
        "psol": Drawing(
            psol,
            ["photograph", "map and box", "training label"],
            "The box of a map becomes the label of a network that regresses one box.",
        ),
        "spg": Drawing(
            spg,
            ["CAM", "guidance"],
            "What the map is sure of teaches earlier layers: white is object, black is ground, "
            "grey is left out.",
        ),
        "tokencut": Drawing(
            tokencut,
            ["photograph", "eigenvector", "cut"],
            "The second eigenvector of a graph of similar positions cuts the image in two, without "
            "any class; of the close-up it takes the smaller part, the ground, for the object.",
        ),
        "ts_cam": Drawing(
            ts_cam,
            ["class map", "attention", "product"],
            "Attention that knows no class, times the class's map; for the class token of a "
            "transformer stands the mean position of this network.",
        ),
        "wend": Drawing(
            wend,
            ["p", "entropy", "weighted"],
            "Where a detector is unsure: the entropy of p, and what the paper's weights leave of "
            "it, each over its own maximum; p is the map of a plain classifier here.",
        ),
    }


NOTE = "EfficientNet-Lite0 with ImageNet weights, nothing trained (`studies.method_pictures`)."


def write(path: Path, picture: Picture) -> None:
    """Write a jpg of at most 60 KB."""
    for quality in range(85, 30, -5):
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if len(data) < 60_000:
            break
    with atomic_write(path) as temporary:
        temporary.write_bytes(data.tobytes())


def main() -> None:
    """Draw all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    docs = parser.parse_args().docs
    (docs / "methods").mkdir(parents=True, exist_ok=True)
    localizer = Localizer(show_progress=False)
    photographs = [skimage.data.chelsea(), skimage.data.coffee()]
    scenes = [scene(localizer, photograph) for photograph in photographs]
    captions = {}
    for method, drawing in drawings(localizer).items():
        grid = image_grid([drawing.draw(s) for s in scenes], drawing.titles, cell=200)
        write(docs / f"methods/{method}.jpg", grid)
        captions[f"methods/{method}.jpg"] = f"{drawing.caption} {NOTE}"
    with atomic_write(docs / "methods/captions.json") as temporary:
        temporary.write_text(json.dumps(dict(sorted(captions.items())), indent=2) + "\n")
    shares = (0.1, DEFAULT_THRESHOLD, 0.5)
    cells = [scenes[1].over(scenes[1].cam(), BoxRule(threshold=share)) for share in shares]
    write(
        docs / "thresholds.jpg", image_grid([cells], [f"threshold {s}" for s in shares], cell=240)
    )
    found = localizer([photograph[..., ::-1] for photograph in photographs])
    shown = [cv2.resize(np.asarray(each.plot()), (450, 300)) for each in found]
    write(docs / "localize.jpg", np.hstack(shown)[..., ::-1])
    print(f"{docs}: {len(captions)} methods, localize.jpg, thresholds.jpg")


if __name__ == "__main__":
    main()
