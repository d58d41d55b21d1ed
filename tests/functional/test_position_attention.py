"""Attention in blocks of queries: a loop over positions, torch's own, gradients."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol_mm.functional.position_attention import gather_positions


def tensors(n, m, seed=0, batch=2):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((batch, n, 3), (batch, m, 3), (batch, m, 5))
    return [torch.randn(shape, generator=generator, requires_grad=True) for shape in shapes]


def test_equals_a_loop_over_positions():
    query, key, value = tensors(4, 6)
    found = gather_positions(query, key, value)
    for b in range(2):
        for i in range(4):
            weights = torch.stack([(query[b, i] * key[b, j]).sum().exp() for j in range(6)])
            expected = (weights[:, None] * value[b]).sum(dim=0) / weights.sum()
            torch.testing.assert_close(found[b, i], expected)


# one block of queries, several, and a last one that is not full
@pytest.mark.parametrize("n", [1, 256, 257, 600])
def test_equals_torchs_attention_with_gradients(n):
    inputs = tensors(n, 40)
    ours = gather_positions(*inputs)
    theirs = F.scaled_dot_product_attention(*inputs, scale=1.0)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    outer = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1))
    left, right = (torch.autograd.grad(out, inputs, outer) for out in (ours, theirs))
    for a, b in zip(left, right, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_compiled_graph_has_torchs_attention():
    inputs = [tensor.detach() for tensor in tensors(300, 40)]
    program = torch.export.export(Gather(), tuple(inputs))
    assert any("scaled_dot_product" in str(node.target) for node in program.graph.nodes)
    torch.testing.assert_close(program.module()(*inputs), gather_positions(*inputs))


class Gather(torch.nn.Module):
    def forward(self, query, key, value):
        return gather_positions(query, key, value)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(1, 300), shift=st.floats(-50, 50))
def test_a_common_shift_of_scores_and_values_of_one_kind(seed, n, shift):
    query, key, value = (tensor.detach() for tensor in tensors(n, 7, seed, batch=1))
    found = gather_positions(query, key, value)
    # every score of a query moves by the same amount
    moved = gather_positions(
        F.pad(query, (0, 1), value=1.0), F.pad(key, (0, 1), value=shift), value
    )
    torch.testing.assert_close(moved, found, rtol=1e-3, atol=1e-4)
    # a mean of values stays between them
    assert (found <= value.amax(dim=1, keepdim=True) + 1e-5).all()
    assert (found >= value.amin(dim=1, keepdim=True) - 1e-5).all()
