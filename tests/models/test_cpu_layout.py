"""A network keeps its names, parameters and results when it is laid out for a CPU."""

import timm
import torch
from torch import nn

from wsol_mm.models.batch_norm import untracked
from wsol_mm.models.cpu_layout import ClampedBatchNorm2d, DepthwiseConv2d, lay_out_for_cpu_training


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
    assert sum(isinstance(layer, DepthwiseConv2d) for layer in network.modules()) == 9
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


def test_lite0_passes_gradients_through_running_statistics_as_before():
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnet_lite0", output_stride=16, num_classes=2).double()
    network.eval()
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64, requires_grad=True)
    wanted = [images, *network.parameters()]
    before = network(images)
    expected = torch.autograd.grad(before.square().sum(), wanted)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    assert lay_out_for_cpu_training(network)
    after = network(images)
    torch.testing.assert_close(after, before)
    found = torch.autograd.grad(after.square().sum(), wanted)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(network.state_dict(), state, rtol=0, atol=0)


def test_own_rules_of_padding_are_left_alone():
    class Padded(nn.Conv2d):
        pass

    network = nn.Sequential(
        Padded(4, 4, 3, dilation=2, padding=2, groups=4),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.Conv2d(4, 4, 3, dilation=2, padding="same", groups=4),
        nn.Conv2d(4, 4, 3, dilation=2, padding=(2, 1), groups=4),
        nn.Conv2d(4, 8, 3, dilation=2, padding=2, groups=4),
        nn.Conv2d(4, 4, 3, dilation=2, padding=2, groups=4, padding_mode="circular"),
    )
    assert lay_out_for_cpu_training(network)
    assert not any(isinstance(layer, DepthwiseConv2d) for layer in network)


def test_gradients_enter_the_backbone_as_it_is_stored():
    network = nn.Module()
    network.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=4), nn.ReLU6())
    assert lay_out_for_cpu_training(network)
    pulls = []
    network.backbone[1].register_full_backward_hook(lambda _, __, out: pulls.append(out[0]))
    network.backbone(torch.randn(2, 3, 6, 6)).mean((2, 3)).sum().backward()
    assert pulls[0].is_contiguous(memory_format=torch.channels_last)
    assert not pulls[0].is_contiguous()


def test_batch_norms_track_as_before():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, groups=4), nn.BatchNorm2d(4))
    own = nn.Sequential(plain[0], plain[1], nn.BatchNorm2d(4))
    hook = lambda _module, _args, out: out  # noqa: E731
    own[2].register_forward_hook(hook)
    assert lay_out_for_cpu_training(own)
    assert isinstance(own[2], ClampedBatchNorm2d)
    assert list(own[2]._forward_hooks.values()) == [hook]
    for momentum in (0.1, None):
        plain[2].momentum = own[2].momentum = momentum
        for _ in range(3):
            images = torch.randn(4, 3, 8, 8)
            torch.testing.assert_close(own(images), plain(images))
    with untracked([own[2], plain[2]]):
        torch.testing.assert_close(own(images + 9), plain(images + 9))
    with torch.no_grad():
        torch.testing.assert_close(own(images), plain(images))
    torch.testing.assert_close(own[2].state_dict(), plain[2].state_dict())
    torch.testing.assert_close(own.eval()(images), plain.eval()(images))


def test_a_network_of_half_precision_trains():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 5, groups=4), nn.BatchNorm2d(4))
    network.to(torch.bfloat16)
    assert lay_out_for_cpu_training(network)
    network(torch.randn(2, 3, 9, 9, dtype=torch.bfloat16)).square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_mixed_precision_trains():
    network = timm.create_model("tf_efficientnet_lite0", output_stride=16, num_classes=2)
    assert lay_out_for_cpu_training(network)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = network(torch.randn(2, 3, 32, 32)).float().square().sum()
    loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
