"""TokenCut: the eigenvector against scipy's dense solver, and the rules that make a box of it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigh

from wsol_mm.functional import tokencut
from wsol_mm.functional.lanczos import batched_lanczos
from wsol_mm.functional.tokencut import (
    bipartition,
    dense_eigenvector,
    second_eigenvectors,
    token_graphs,
)


def random_graph(rng):
    """Edges of 1 with a random density, all others eps: no structure at all."""
    n = int(rng.integers(3, 100))
    edges = np.triu(rng.random((n, n)) < rng.uniform(0.05, 0.95), 1)
    graph = np.where(edges | edges.T, 1.0, 10.0 ** -rng.integers(1, 7))
    np.fill_diagonal(graph, 1.0)
    return graph


def near_disconnected_graph(rng):
    """Two to four dense parts that hardly touch."""
    sizes = rng.integers(2, 40, int(rng.integers(2, 5)))
    part = np.repeat(np.arange(len(sizes)), sizes)
    n = len(part)
    inside = np.triu(rng.random((n, n)) < 0.7, 1)
    graph = np.full((n, n), 10.0 ** -rng.integers(4, 8))
    graph[(inside | inside.T) & (part[:, None] == part)] = 1.0
    np.fill_diagonal(graph, 1.0)
    return graph


def token_graph(rng):
    """What TokenCut sees: noisy tokens of a few regions."""
    centres = rng.normal(size=(int(rng.integers(1, 5)), 32))
    tokens = centres[rng.integers(len(centres), size=int(rng.integers(2, 197)))]
    tokens = torch.from_numpy(tokens + rng.uniform(0.1, 3) * rng.normal(size=tokens.shape))
    return token_graphs(tokens[None], tau=rng.choice([0.05, 0.2]))[0].numpy()


def weighted_graph(rng):
    n = int(rng.integers(2, 60))
    graph = rng.random((n, n)) ** 4
    return graph + graph.T


def check_against_scipy(graph, vector):
    """The same direction; where the next eigenvalue is as good as equal, the same value."""
    degrees = graph.sum(axis=1)
    last = min(2, len(graph) - 1)
    values, exact = eigh(np.diag(degrees) - graph, np.diag(degrees), subset_by_index=[1, last])
    assert np.isfinite(vector).all()
    length = (degrees * vector**2).sum()
    assert length == pytest.approx(1, abs=1e-6)
    energy = vector @ (degrees * vector - graph @ vector) / length
    assert energy == pytest.approx(values[0], abs=1e-9)
    if last == 1 or values[1] - values[0] > 1e-6:
        cosine = abs((degrees * vector) @ exact[:, 0]) / np.sqrt(length)
        assert cosine == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_agrees_with_scipys_generalised_solver(count):
    rng = np.random.default_rng(count)
    makers = (random_graph, near_disconnected_graph, token_graph, weighted_graph)
    fallbacks = checked = 0
    for number in range(count):
        graph = makers[number % len(makers)](rng)
        (vector,), fell = second_eigenvectors(torch.from_numpy(graph)[None])
        fallbacks += fell
        if vector.any():
            checked += 1
            check_against_scipy(graph, vector)
    assert checked > 0.9 * count
    assert fallbacks < 0.05 * count


def test_batched_form_agrees_with_scipy():
    rng = np.random.default_rng(5)
    start = torch.from_numpy(rng.standard_normal(64))
    tokens = torch.from_numpy(rng.normal(size=(3, 2, 8)).repeat(32, axis=1))
    tokens = tokens + torch.from_numpy(rng.normal(size=tokens.shape))
    graphs = torch.cat([token_graphs(tokens), torch.ones(1, 64, 64).double()])
    x, theta, residual, gap, steps = batched_lanczos(graphs, start, 63, 1e-10)
    assert steps < 63
    for graph, vector, value in zip(graphs[:3].numpy(), x.numpy(), theta.numpy(), strict=False):
        check_against_scipy(graph, vector)
        assert vector @ graph @ vector == pytest.approx(value, abs=1e-9)
    assert (residual < 1e-10).all()
    # A constant graph among others has no second eigenvector and does not hold the batch up.
    assert not x[3].any()
    assert gap[3] == 0


def test_exhausted_graphs_in_a_batch_keep_their_eigenvector():
    # Two blocks: all is known after one or two directions, while the other graph goes on.
    blocks = np.kron(np.eye(2), np.ones((12, 12))) + 1e-3
    rng = np.random.default_rng(0)
    other = rng.random((24, 24))
    graphs = torch.from_numpy(np.stack([blocks, other + other.T]))
    start = torch.from_numpy(rng.standard_normal(24))
    x, *_ = batched_lanczos(graphs, start, 23, 1e-10)
    for graph, vector in zip(graphs.numpy(), x.numpy(), strict=True):
        check_against_scipy(graph, vector)


def test_threads_and_batches_change_nothing():
    rng = np.random.default_rng(2)
    graphs = torch.stack([torch.from_numpy(random_graph(rng)[:3, :3]) for _ in range(7)])
    alone = [second_eigenvectors(graph[None], workers=1).vectors[0] for graph in graphs]
    assert np.array_equal(second_eigenvectors(graphs, workers=3).vectors, np.stack(alone))


def test_what_does_not_converge_is_solved_densely_and_counted(monkeypatch):
    graph = random_graph(np.random.default_rng(9))
    graphs = torch.from_numpy(np.stack([graph, np.ones_like(graph)]))
    assert second_eigenvectors(graphs).fallbacks == 0
    monkeypatch.setattr(tokencut, "_MAX_STEPS", 2)
    vectors, fallbacks = second_eigenvectors(graphs)
    assert fallbacks == 1
    assert np.array_equal(vectors[0], dense_eigenvector(graph))


def test_graph_by_hand():
    tokens = torch.tensor([[[3.0, 0.0], [1.0, 1.0], [0.0, 2.0], [-1.0, 0.0]]])
    graph = token_graphs(tokens, tau=0.7, eps=0.25)[0]
    near = [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]  # cosine of 45 degrees: 0.707
    assert torch.equal(graph, torch.where(torch.tensor(near).bool(), 1.0, 0.25).double())


def test_invalid_tokens_stand_alone():
    tokens = torch.tensor([[[1.0, 1], [1, 1], [0, 0], [torch.nan, 1]]])
    graph = token_graphs(tokens, eps=1e-5)[0]
    assert torch.equal(graph.diagonal(), torch.ones(4).double())
    assert graph[0, 1] == 1
    assert (graph[2:, :2] == 1e-5).all()
    (vector,), _ = second_eigenvectors(graph[None])
    assert np.isfinite(vector).all()


@pytest.mark.parametrize(
    "graph",
    [np.ones((6, 6)), np.ones((2, 2)), np.eye(6) + 1e-5 * (1 - np.eye(6)), np.ones((1, 1))],
    ids=["constant", "two equal tokens", "no two alike", "one token"],
)
def test_a_graph_without_structure_gives_the_whole_image(graph):
    vectors, fallbacks = second_eigenvectors(torch.from_numpy(graph)[None])
    assert not vectors.any()
    assert fallbacks == 0
    cut = bipartition(vectors[0], (1, len(graph)))
    assert cut.mask.all()


def test_two_different_tokens_are_separated():
    (vector,), _ = second_eigenvectors(torch.tensor([[[1.0, 1e-5], [1e-5, 1.0]]]))
    assert vector.prod() < 0
    assert bipartition(vector, (1, 2)).mask.sum() == 1


def test_disconnected_graph_ends_in_one_of_its_parts():
    graph = torch.block_diag(torch.ones(3, 3), torch.ones(6, 6)).double()
    (vector,), _ = second_eigenvectors(graph[None])
    mask = bipartition(vector, (3, 3)).mask.ravel()
    assert mask.tolist() == [True] * 3 + [False] * 6


def test_an_object_is_found_whatever_the_sign():
    tokens = torch.zeros(8, 8, 4)
    tokens[..., 0] = 1
    tokens[2:5, 3:7] = torch.tensor([0.0, 1, 0, 0])
    (vector,), _ = second_eigenvectors(token_graphs(tokens.reshape(1, 64, 4)))
    for sign in (1, -1):
        cut = bipartition(sign * vector, (8, 8))
        assert cut.map.dtype == np.float32
        assert cut.mask[cut.seed]
        assert cut.map[cut.seed] == cut.map.max()
        expected = np.zeros((8, 8), bool)
        expected[2:5, 3:7] = True
        assert np.array_equal(cut.mask, expected)


def test_only_the_part_with_the_seed_is_kept_and_corners_do_not_connect():
    vector = np.array([5.0, 0, 0, 0, 4, 0, 4, 0, 0])
    cut = bipartition(vector, (3, 3))
    assert cut.mask.astype(int).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


@settings(deadline=None, max_examples=50)
@given(h=st.integers(1, 6), w=st.integers(1, 6), seed=st.integers(0, 99), constant=st.booleans())
def test_a_cut_always_has_a_box_inside_the_image(h, w, seed, constant):
    rng = np.random.default_rng(seed)
    vector = np.full(h * w, rng.normal()) if constant else rng.normal(size=h * w)
    cut = bipartition(vector, (h, w))
    flipped = bipartition(-vector, (h, w))
    assert np.array_equal(cut.mask, flipped.mask)
    assert constant or h * w == 1 or np.array_equal(cut.map, flipped.map)
    assert cut.mask[cut.seed]


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="n > 0"):
        token_graphs(torch.zeros(1, 0, 3))
    with pytest.raises(ValueError, match="eps=1"):
        token_graphs(torch.zeros(1, 2, 3), eps=1)
    with pytest.raises(ValueError, match=r"graphs \(B, n, n\)"):
        second_eigenvectors(torch.zeros(2, 2))
    with pytest.raises(ValueError, match="fill a grid"):
        bipartition(np.zeros(5), (2, 3))
