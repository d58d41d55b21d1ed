"""Views fall the same way whenever and wherever they are drawn; kept tokens stand for them."""

import random

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS, DefaultScope

from wsol_mm.datasets.transforms import FixedViews, PackWSOLInputs


@pytest.fixture(autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        yield


@TRANSFORMS.register_module(force=True)
class PaintDraws(BaseTransform):
    """An image of one random number from each stream; counts its calls."""

    calls = 0

    def transform(self, results):
        type(self).calls += 1
        values = [np.random.randint(256), random.randrange(256), 0]
        results["img"] = np.full((4, 4, 3), values, np.uint8)
        results["ori_shape"] = results["img_shape"] = (4, 4)
        return results


def item(name="a.jpg", index=0, **more):
    return dict(img_id=name, img_path=name, gt_label=1, sample_idx=index, **more)


def views(number=3, **keys):
    return FixedViews([dict(type="PaintDraws")], views=number, **keys)


def pixels(results):
    return tuple(results["img"][0, 0].tolist())


def test_a_view_depends_on_name_number_and_seed_only():
    first = [pixels(views()(item(view=view))) for view in range(3)]
    np.random.seed(5)
    random.seed(6)
    again = [pixels(views()(item(index=7, view=view))) for view in (2, 1, 0)]
    assert again[::-1] == first
    assert len(set(first)) == 3
    assert pixels(views()(item("b.jpg", view=0))) != first[0]
    assert pixels(views(seed=1)(item(view=0))) != first[0]


def test_views_are_drawn_from_the_global_stream_and_leave_it_alone():
    transform = views()
    known = {pixels(transform(item(view=view))) for view in range(3)}
    np.random.seed(0)
    random.seed(0)
    drawn = [pixels(transform(item())) for _ in range(40)]
    assert set(drawn) == known
    after = np.random.randint(1 << 30), random.random()
    np.random.seed(0)
    random.seed(0)
    expected = [np.random.randint(3) for _ in range(40)]
    assert [pixels(transform(item(view=view))) for view in expected] == drawn
    assert (np.random.randint(1 << 30), random.random()) == after


def test_tokens_stand_for_the_views_that_would_be_drawn(tmp_path):
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)  # two images of three views
    np.save(tmp_path / "tokens.npy", rows)
    transform = views(tokens=str(tmp_path))
    pack = PackWSOLInputs(algorithm_keys=("tokens",))
    np.random.seed(1)
    expected = [np.random.randint(3) for _ in range(20)]
    np.random.seed(1)
    calls = PaintDraws.calls
    for view in expected:
        packed = pack(transform(item(index=1)))
        assert torch.equal(packed["data_samples"].tokens, torch.tensor(rows[3 + view]))
        assert packed["data_samples"].gt_label.tolist() == [1]
        assert packed["inputs"].shape == (3, 0, 0)
    assert PaintDraws.calls == calls
    # asked for by number a view is made: this is how the cache gets its rows
    assert "tokens" not in transform(item(view=0))


def test_wrong_settings_are_named(tmp_path):
    with pytest.raises(ValueError, match="views must be positive"):
        views(0)
    with pytest.raises(FileNotFoundError, match=r"wsol_mm\.TokenCacheHook"):
        views(tokens=str(tmp_path))(item())
