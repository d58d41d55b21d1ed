"""DDT's head: maps from the buffers, the classifier beside them."""

import pytest
import torch
from mmpretrain.structures import DataSample

from wsol_mm.models.heads import CAMHead, DDTHead


def test_maps_are_projections_of_the_wanted_classes():
    head = DDTHead(num_classes=3, in_channels=2)
    head.means.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]))
    head.components.copy_(torch.tensor([[1.0, 0.0], [0.0, -1.0], [0.6, 0.8]]))
    features = torch.tensor([[[[0.0, 3.0]], [[4.0, 1.0]]]])
    (sample,) = head.predict((features,), [DataSample().set_gt_label(1)])
    assert sample.map_labels[0] == 1
    assert sorted(sample.map_labels.tolist()) == [0, 1, 2]
    maps = dict(zip(sample.map_labels.tolist(), sample.pred_maps.tolist(), strict=True))
    assert maps[0] == [[-1, 2]]
    assert maps[1] == [[-2, 1]]
    assert maps[2] == [[pytest.approx(3.2), pytest.approx(2.6)]]


def test_the_classifier_is_the_parents_and_an_unfitted_head_draws_nothing():
    torch.manual_seed(0)
    head, plain = DDTHead(3, 4), CAMHead(3, 4)
    plain.load_state_dict({k: v for k, v in head.state_dict().items() if k.startswith("fc")})
    features = torch.rand(2, 4, 3, 3)
    assert torch.equal(head((features,)), plain((features,)))
    for sample in head.predict((features,)):
        assert (sample.pred_maps == 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(sign="svd"), "sign must be one of"),
        (dict(map_kind="norm"), "map_kind must be one of .*projection"),
        (dict(hidden_channels=(8,)), "hidden_channels has no meaning"),
    ],
)
def test_settings_without_meaning_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        DDTHead(3, 4, **settings)
