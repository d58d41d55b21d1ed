"""The fit of DDT's components: equal to the plain one, resumable, shared, in checkpoints."""

import types

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, MODELS, DefaultScope

import wsol_mm.models  # noqa: F401
from wsol_mm.engine.fit_ddt_hook import FitDDTHook

LABELS = [0, 2, 2, 0, 2]


@DATASETS.register_module()
class FiveImages(BaseDataset):
    """Five 32 px images of classes 0 and 2; class 1 has none. ``broken`` stops at that image."""

    broken = None
    reads = 0

    def load_data_list(self):
        return [dict(img_id=f"{i}.png", gt_label=label) for i, label in enumerate(LABELS)]

    def __getitem__(self, index):
        from mmpretrain.structures import DataSample

        if index == FiveImages.broken:
            raise KeyboardInterrupt
        FiveImages.reads += 1
        generator = torch.Generator().manual_seed(int(index))
        image = torch.randint(0, 256, (3, 32, 32), generator=generator, dtype=torch.uint8)
        return dict(inputs=image, data_samples=DataSample())


def build(sign="extreme"):
    cfg = dict(
        type="ImageClassifier",
        backbone=dict(type="ResNet", depth=18, base_channels=4, strides=(1, 1, 1, 1)),
        head=dict(type="wsol_mm.DDTHead", num_classes=3, in_channels=32, sign=sign),
    )
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(ConfigDict(cfg)), cfg


def runner(tmp_path, sign="extreme"):
    model, cfg = build(sign)
    return types.SimpleNamespace(
        model=model,
        work_dir=str(tmp_path),
        train_dataloader=types.SimpleNamespace(num_workers=0),
        cfg=ConfigDict(model=cfg, train_dataloader=dict(dataset=dict(type="FiveImages"))),
    )


@pytest.fixture(autouse=True)
def _reset():
    FiveImages.broken, FiveImages.reads = None, 0


def hook():
    return FitDDTHook(pipeline=[], batch_size=2)


def plain(model):
    """Means and components of the classes from all descriptors at once."""
    model.eval()
    means, components = torch.zeros(3, 32), torch.zeros(3, 32)
    dataset = FiveImages()
    for label in set(LABELS):
        images = torch.stack(
            [dataset[i]["inputs"] for i in np.flatnonzero(np.equal(LABELS, label))]
        )
        with torch.no_grad():
            (feats,) = model.extract_feat(images.float())
        rows = feats.double().movedim(1, -1).reshape(-1, 32)
        means[label] = rows.mean(dim=0)
        component = torch.linalg.svd(rows - rows.mean(dim=0), full_matrices=False)[2][0]
        scores = (rows - rows.mean(dim=0)) @ component
        components[label] = component * scores[scores.abs().argmax()].sign()
    return means, components


def test_the_fit_is_that_of_all_descriptors(tmp_path):
    run = runner(tmp_path)
    hook().after_train_epoch(run)
    head = run.model.head
    # two passes over five images
    assert FiveImages.reads == 10
    assert run.model.training
    means, components = plain(run.model)
    torch.testing.assert_close(head.means, means)
    torch.testing.assert_close(head.components, components, atol=1e-5, rtol=1e-4)
    assert (head.components[1] == 0).all()
    assert not list(tmp_path.rglob("*.npy"))


def test_a_fitted_head_is_left_alone_until_something_changes(tmp_path):
    run = runner(tmp_path, sign="border")
    hook().after_train_epoch(run)
    assert FiveImages.reads == 5  # one pass suffices for the border rule
    hook().after_train_epoch(run)
    assert FiveImages.reads == 5
    next(run.model.backbone.parameters()).data.mul_(2)
    hook().after_train_epoch(run)
    assert FiveImages.reads == 10


def test_a_killed_fit_continues_with_the_missing_classes(tmp_path):
    whole, run = runner(tmp_path / "whole"), runner(tmp_path / "cut")
    hook().after_train_epoch(whole)
    FiveImages.broken, FiveImages.reads = 4, 0  # of class 2, behind class 0
    with pytest.raises(KeyboardInterrupt):
        hook().after_train_epoch(run)
    assert run.model.training
    assert not run.model.head.fitted.any()
    FiveImages.broken, FiveImages.reads = None, 0
    hook().after_train_epoch(run)
    assert FiveImages.reads == 6
    assert torch.equal(run.model.head.components, whole.model.head.components)
    assert torch.equal(run.model.head.fitted, whole.model.head.fitted)


def test_the_fit_lives_in_the_checkpoint(tmp_path):
    run = runner(tmp_path)
    hook().after_train_epoch(run)
    other, _ = build()
    other.load_state_dict(run.model.state_dict(), strict=True)
    assert torch.equal(other.head.components, run.model.head.components)
    state = run.model.state_dict()
    del state["head.components"]
    with pytest.raises(RuntimeError, match=r"head\.components"):
        other.load_state_dict(state, strict=True)
    # the fit of another sign rule is not this one
    assert hook().key(run, run.model, FiveImages()) != hook().key(
        runner(tmp_path, "border"), build("border")[0], FiveImages()
    )


def test_wrong_heads_and_unfitted_ones_are_refused(tmp_path):
    run = runner(tmp_path)
    with pytest.raises(ValueError, match="not fitted: train at least one epoch"):
        hook().before_test(run)
    hook().before_train(run)
    run.model.head = torch.nn.Identity()
    with pytest.raises(ValueError, match="Identity has nothing to fit"):
        hook().before_train(run)


def test_images_of_the_test_are_the_set_where_nothing_is_trained(tmp_path):
    trained, run = runner(tmp_path / "a"), runner(tmp_path / "b")
    hook().after_train_epoch(trained)
    run.cfg = ConfigDict(model=run.cfg.model, test_dataloader=run.cfg.train_dataloader)
    run.test_dataloader = run.train_dataloader
    del run.train_dataloader
    on_test = FitDDTHook(pipeline=[], batch_size=2, split="test")
    on_test.after_train_epoch(run)
    assert not run.model.head.fitted.any()
    on_test.before_test(run)
    assert torch.equal(run.model.head.components, trained.model.head.components)
    with pytest.raises(ValueError, match="split must be 'train' or 'test', got 'val'"):
        FitDDTHook(pipeline=[], split="val")


def test_weights_of_a_classifier_load_as_not_fitted(tmp_path):
    run = runner(tmp_path)
    hook().after_train_epoch(run)
    names = ("means", "components", "fitted")
    state = {k: v for k, v in run.model.state_dict().items() if not k.endswith(names)}
    run.model.load_state_dict(state, strict=True)
    assert not any(getattr(run.model.head, name).any() for name in names)


def worker(rank, folder):
    """One of two gloo processes."""
    torch.set_num_threads(1)
    init = f"file://{folder}/rendezvous"
    torch.distributed.init_process_group("gloo", init_method=init, rank=rank, world_size=2)
    run = runner(folder)
    hook().after_train_epoch(run)
    torch.save(run.model.head.state_dict(), folder / f"rank{rank}.pth")
    torch.distributed.destroy_process_group()


def test_two_ranks_share_the_classes(tmp_path, two_ranks):
    two_ranks(worker, tmp_path)
    first, second = (torch.load(tmp_path / f"rank{rank}.pth") for rank in (0, 1))
    single = runner(tmp_path / "single")
    hook().after_train_epoch(single)
    for name, value in single.model.head.state_dict().items():
        assert torch.equal(first[name], value), name
        assert torch.equal(second[name], value), name
