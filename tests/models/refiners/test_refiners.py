"""Refiners as registered parts: built from configs, in chains, behind any localizer."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.models.utils import ClsDataPreprocessor
from mmpretrain.structures import DataSample

from wsol_mm.functional.arm import ARM_PRESETS, ARMSettings, refine_maps
from wsol_mm.functional.sgrm import SGRMSettings, repredict
from wsol_mm.functional.sgrm_labels import SGRM_PRESETS
from wsol_mm.models.refiners import build_refiners, refine, refine_samples
from wsol_mm.models.refiners.refiner import input_images
from wsol_mm.registry import MODELS

FEW = {"type": "wsol_mm.SGRM", "segment_min_size": 4, "max_iterations": 12}
ARM = {"type": "wsol_mm.ARM", "neighbours": 8, "iterations": 5}


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 3, 14, 12), dtype=np.uint8)
    images[:, :, 4:10, 3:9] //= 8
    maps = 0.1 * rng.random((3, 4, 4)).astype(np.float32)
    maps[:, 1:3, 1:3] += 1
    return torch.from_numpy(maps), torch.from_numpy(images)


def picture(image):
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())


def test_a_chain_equals_its_functions_in_order(batch):
    maps, images = batch
    refined, facts = refine(build_refiners([ARM, FEW]), maps, images)
    for score_map, image, ours, fact in zip(maps, images, refined, facts, strict=True):
        fine = refine_maps(
            score_map[None].numpy(), picture(image), ARMSettings(neighbours=8, iterations=5)
        )[0]
        settings = SGRMSettings(segment_min_size=4, max_iterations=12)
        wanted = repredict(fine, picture(image), settings)
        assert not wanted.mask.all()
        np.testing.assert_array_equal(ours.numpy(), wanted.mask.astype(np.float32))
        assert fact[0] == {}
        assert fact[1]["iterations"] == wanted.iterations
        assert fact[1]["fallback"] == ""


def test_nothing_found_becomes_the_whole_image_and_nan_stays(batch):
    maps, images = batch
    maps[0], maps[1, 2, 2] = 0.5, torch.nan
    for config in (ARM, FEW):
        refined, facts = refine(build_refiners([config]), maps, images)
        whole = torch.ones(14, 12)
        whole[0, 0] = 0
        assert torch.equal(refined[0], whole)
        assert refined[1].isnan().all()
        assert facts[1] == []
        assert refined[2].isfinite().all()
    nothing, _ = refine(build_refiners([ARM]), maps[1:2], images[1:2])
    assert nothing.isnan().all()


def test_an_empty_chain_is_an_upsampling(batch):
    maps, images = batch
    refined, _ = refine([], maps, images)
    assert refined.shape == (3, 14, 12)
    assert refined.min() >= maps.min()


@pytest.mark.parametrize("to_rgb", [True, False])
@pytest.mark.parametrize("normalize", [True, False])
def test_the_image_comes_back_from_the_input(batch, to_rgb, normalize):
    _, images = batch
    stats = {"mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]} if normalize else {}
    preprocessor = ClsDataPreprocessor(to_rgb=to_rgb, **stats)
    bgr = images.flip(1)
    inputs = preprocessor({"inputs": bgr})["inputs"]
    assert torch.equal(input_images(inputs, preprocessor), images)


def test_only_the_first_map_is_kept(batch):
    maps, images = batch
    samples = []
    for score_map in maps:
        sample = DataSample()
        stacked = torch.stack([score_map, 1 - score_map])
        sample.set_data({"pred_maps": stacked, "map_labels": torch.tensor([5, 2])})
        samples.append(sample)
    preprocessor = ClsDataPreprocessor(to_rgb=True)
    refiners = build_refiners([ARM])
    refine_samples(refiners, samples, images.float(), preprocessor)
    wanted, _ = refine(refiners, maps, images)
    for sample, refined in zip(samples, wanted, strict=True):
        assert sample.map_labels.tolist() == [5]
        assert torch.equal(sample.pred_maps, refined[None])
    with pytest.raises(ValueError, match="pred_maps"):
        refine_samples(refiners, [DataSample()], images[:1].float(), preprocessor)


def test_a_config_outside_the_repository_adds_arm_behind_a_localizer(tmp_path):
    """Two lines on top of a shipped config; the maps are those of ARM on the plain ones."""
    (tmp_path / "mine.py").write_text(
        "_base_ = 'wsol_mm::cam/resnet18_toy.py'\n"
        "model = dict(type='wsol_mm.WSOLClassifier', refiners=[dict(type='wsol_mm.ARM')])\n"
    )
    cfg = Config.fromfile(tmp_path / "mine.py")
    preprocessor = cfg.data_preprocessor.to_dict()
    models = []
    for chain in ([], cfg.model.refiners):
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope("mmpretrain"):
            model = MODELS.build(
                {**cfg.model.to_dict(), "refiners": chain, "data_preprocessor": preprocessor}
            )
        models.append(model.eval())
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 96, 96), np.uint8))
    with torch.no_grad():
        plain, refined = (
            model.test_step({"inputs": [image], "data_samples": [DataSample().set_gt_label(4)]})[0]
            for model in models
        )
    assert plain.pred_maps.shape[1:] == (12, 12)
    assert refined.map_labels.tolist() == plain.map_labels[:1].tolist() == [4]
    wanted = refine_maps(plain.pred_maps[:1].numpy(), picture(image.flip(0)))
    np.testing.assert_allclose(refined.pred_maps.numpy(), wanted, atol=1e-4)
    torch.testing.assert_close(refined.pred_score, plain.pred_score)


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({**ARM, "neighbours": 9}, ValueError, "neighbours"),
        ({**ARM, "colour": 1}, TypeError, "colour"),
        ({**FEW, "batch": 0}, ValueError, "batch"),
        ({"type": "mmpretrain.GlobalAveragePooling"}, TypeError, "is no refiner"),
    ],
)
def test_refuses_wrong_configs(config, error, message):
    with pytest.raises(error, match=message):
        build_refiners([config])


def test_dense_crf_sharpens_a_map():
    pytest.importorskip("pydensecrf.densecrf")
    image = np.full((1, 3, 40, 40), 30, np.uint8)
    image[:, :, 12:30, 10:28] = 220
    score_map = torch.zeros(1, 8, 8)
    score_map[:, 2:6, 2:6] = 1.0
    chain = build_refiners([{"type": "wsol_mm.DenseCRF"}])
    refined, _ = refine(chain, score_map, torch.from_numpy(image))
    truth = image[0, 0] > 100
    mask = refined[0].numpy() > 0.5
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95
    flat, _ = refine(chain, score_map * 0, torch.from_numpy(image))
    assert flat[0, 1:].min() == 1  # nothing found: the whole image


def test_dense_crf_names_its_package_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydensecrf.densecrf", None)
    with pytest.raises(ImportError, match="pip install pydensecrf2"):
        build_refiners([{"type": "wsol_mm.DenseCRF"}])


def test_arm_has_named_settings_and_refuses_others():
    assert build_refiners([{"type": "wsol_mm.ARM"}])[0].settings == ARMSettings()
    printed = build_refiners([{"type": "wsol_mm.ARM", "preset": "lcar", "iterations": 7}])[0]
    assert printed.settings == replace(ARM_PRESETS["lcar"], iterations=7)
    with pytest.raises(ValueError, match=r"preset must be one of \['afa', 'lcar'\], got 'paper'"):
        build_refiners([{"type": "wsol_mm.ARM", "preset": "paper"}])


def test_sgrm_has_the_papers_settings_and_narrow_ones_and_refuses_others():
    assert build_refiners([{"type": "wsol_mm.SGRM"}])[0].settings == SGRMSettings()
    narrow = build_refiners([{"type": "wsol_mm.SGRM", "preset": "narrow", "train_scale": 0.5}])[0]
    assert narrow.settings == replace(SGRM_PRESETS["narrow"], train_scale=0.5)
    with pytest.raises(ValueError, match=r"one of \['lcar', 'narrow'\], got 'paper'"):
        build_refiners([{"type": "wsol_mm.SGRM", "preset": "paper"}])
