"""SimilarityLoss and NormLoss: weights, defaults and what they refuse."""

import pytest
import torch
from mmengine.registry import MODELS

from wsol_mm.functional.alignment import norm_loss, similarity_loss


def test_configs_build_them_and_weights_scale_the_loss():
    torch.manual_seed(0)
    norm01, similarity = torch.rand(2, 4, 4), torch.rand(2, 3, 4, 4) - 0.5
    sim = MODELS.build(
        {"type": "wsol_mm.SimilarityLoss", "tau_fg": 0.7, "tau_bg": 0.2, "loss_weight": 8}
    )
    norm = MODELS.build({"type": "wsol_mm.NormLoss", "rule": "general", "loss_weight": 3})
    expected = similarity_loss(norm01, similarity[:, 0], 0.7, 0.2)
    torch.testing.assert_close(sim(norm01, similarity[:, 0]), 8 * expected)
    torch.testing.assert_close(norm(norm01, similarity), 3 * norm_loss(norm01, similarity))
    assert sim.enabled
    assert norm.enabled
    assert not sim.state_dict()


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        ({"type": "wsol_mm.SimilarityLoss", "tau_fg": 0.1, "tau_bg": 0.2}, "tau_bg=0.2, tau_fg"),
        ({"type": "wsol_mm.SimilarityLoss", "tau_fg": 1.5}, "<= tau_fg <= 1"),
        ({"type": "wsol_mm.NormLoss", "rule": "birds"}, "rule must be one of .*'birds'"),
    ],
)
def test_impossible_settings_are_refused(cfg, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(cfg)
