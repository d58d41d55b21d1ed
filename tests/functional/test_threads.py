"""Parts cover the range once, in a fork too."""

import multiprocessing

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wsol_mm.functional.threads import in_parts


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def covered(total, least):
    found = []
    in_parts(total, least, lambda first, last: found.extend(range(first, last)))
    return sorted(found)


@given(total=st.integers(0, 50), least=st.integers(1, 60))
def test_every_number_once(total, least):
    assert covered(total, least) == list(range(total))


def test_with_threads_and_behind_a_fork(three_threads):
    assert covered(50, 4) == list(range(50))
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(covered, (50, 4)).get(timeout=30) == list(range(50))


def test_what_work_raises_is_raised(three_threads):
    def fail(first, last):
        raise KeyError(first)

    with pytest.raises(KeyError):
        in_parts(50, 4, fail)
