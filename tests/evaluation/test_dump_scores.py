"""Cached classifier scores."""

import numpy as np
import pytest
import torch

from wsol_mm.evaluation.dump_scores import DumpScores


def test_scores_by_image(tmp_path):
    out = tmp_path / "scores.npz"
    metric = DumpScores(str(out))
    metric.process(None, [dict(img_id="b.jpg", pred_score=torch.tensor([0.25, 0.75]))])
    metric.process(None, [dict(img_id="a.jpg", pred_score=torch.tensor([0.5, 0.5]))])
    assert metric.evaluate(2) == {}
    with np.load(out) as content:
        assert content["img_ids"].tolist() == ["b.jpg", "a.jpg"]
        np.testing.assert_array_equal(content["scores"], [[0.25, 0.75], [0.5, 0.5]])
        assert content["scores"].dtype == np.float32


def test_wrong_use(tmp_path):
    with pytest.raises(ValueError, match=r"out='scores\.json' must end in \.npz"):
        DumpScores("scores.json")
    with pytest.raises(ValueError, match=r"a\.jpg has no pred_score"):
        DumpScores(str(tmp_path / "s.npz")).process(None, [dict(img_id="a.jpg")])
