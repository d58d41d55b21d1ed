"""A network keeps its names, parameters and results when it is laid out for a CPU."""

import timm
import torch
from torch import nn

from wsol_mm.models.cpu_layout import SubgridConv2d, lay_out_for_cpu_training


def test_a_network_without_depthwise_layers_stays_as_it_is():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, dilation=2, padding=2))
    assert not lay_out_for_cpu_training(network)
    assert network[0].weight.is_contiguous()
    assert type(network[1]) is nn.Conv2d


def test_lite0_trains_as_before():
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnet_lite0", output_stride=16, num_classes=2).double()
    names, parameters = list(network.state_dict()), list(network.parameters())
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    before = network(images)
    expected = torch.autograd.grad(before.square().sum(), parameters)
    assert lay_out_for_cpu_training(network)
    assert sum(isinstance(layer, SubgridConv2d) for layer in network.modules()) == 4
    assert list(network.state_dict()) == names
    assert all(a is b for a, b in zip(network.parameters(), parameters, strict=True))
    after = network(images)
    torch.testing.assert_close(after, before)
    found = torch.autograd.grad(after.square().sum(), parameters)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)
    with torch.no_grad():
        one_operator = network.eval()(images)
    torch.testing.assert_close(network(images), one_operator)


def test_own_rules_of_padding_are_left_alone():
    class Padded(nn.Conv2d):
        pass

    network = nn.Sequential(
        Padded(4, 4, 3, dilation=2, padding=2, groups=4),
        nn.Conv2d(4, 4, 3, dilation=2, padding=1, groups=4),
        nn.Conv2d(4, 4, 3, dilation=2, padding=2, groups=4, stride=2),
        nn.Conv2d(4, 8, 3, dilation=2, padding=2, groups=4),
        nn.Conv2d(4, 4, 3, dilation=2, padding=2, groups=4, padding_mode="circular"),
    )
    assert lay_out_for_cpu_training(network)
    assert not any(isinstance(layer, SubgridConv2d) for layer in network)
