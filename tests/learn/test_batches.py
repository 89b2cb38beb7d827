import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernas.learn.batches import CyclingBatches, epoch_batches
from fernas.learn.config import BatchOptions, FitConfig, batches_per_epoch, effective_batch


@settings(deadline=None)  # machines stall
@given(st.integers(1, 200), st.integers(1, 64), st.integers(0, 3), st.integers(0, 5))
def test_a_pass_holds_every_sample_once_in_even_batches(samples, batch, seed, epoch):
    batches = epoch_batches(samples, batch, seed, epoch)
    assert sorted(np.concatenate(batches)) == list(range(samples))
    sizes = [len(b) for b in batches]
    assert max(sizes) <= batch and max(sizes) - min(sizes) <= 1


def test_passes_differ_and_repeat_for_the_same_seed():
    first, again, other = (np.concatenate(epoch_batches(50, 8, 1, e)) for e in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


@settings(deadline=None)  # machines stall
@given(st.integers(1, 40), st.integers(1, 16), st.integers(0, 30))
def test_a_cycling_iterator_continues_from_its_state(samples, batch, steps):
    one, two = (CyclingBatches(samples, batch, 3) for _ in range(2))
    for _ in range(steps):
        one.next()
    two.load(one.state())
    for _ in range(5):
        assert (one.next() == two.next()).all()


def test_every_pass_of_a_cycling_iterator_covers_the_part():
    batches = CyclingBatches(10, 4, 0)
    passes = [np.concatenate([batches.next() for _ in range(len(batches))]) for _ in range(3)]
    assert all(sorted(s) == list(range(10)) for s in passes)


def test_an_empty_part_has_no_batches():
    with pytest.raises(ValueError, match="without samples"):
        CyclingBatches(0, 4, 0)


@pytest.mark.parametrize(("samples", "expected"), [(1000, 64), (100, 25), (20, 8), (5, 5), (1, 1)])
def test_the_batch_follows_the_part(samples, expected):
    options = BatchOptions(batch=64)
    assert effective_batch(options, samples) == expected
    assert batches_per_epoch(options, samples) == len(epoch_batches(samples, expected, 0, 0))


def test_options_refuse_unknown_keys():
    with pytest.raises(ValueError, match="epoch"):
        FitConfig(epoch=3)
