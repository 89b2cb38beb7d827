"""Weights of dynamic images against the closed forms and against what ranking means."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernas.core.errors import ConfigError, DataError
from fernas.views.weights import bilen, exact, fixed_weights, learnet, total

lengths = st.integers(2, 400)


def harmonic(n: int) -> float:
    return sum(1 / k for k in range(1, n + 1))


def test_bilen_of_five_frames():
    np.testing.assert_allclose(bilen(5), [-3.7, 0.3, 1.3, 1.3, 0.8], atol=1e-12)


def test_learnet_of_two_frames():
    # T = 2: w_1 = (2 - 2)/1 + (4 - 2)/2 = 1, w_2 = 1.
    np.testing.assert_allclose(learnet(2), [1.0, 1.0])


@given(lengths)
def test_bilen_is_its_closed_form_and_sums_to_zero(length):
    middle = (length + 1) // 2
    closed = [2 * (length - k + 1) - (length + 1) * (harmonic(length) - harmonic(k - 1)) for k in (1, middle, length)]
    np.testing.assert_allclose(bilen(length)[[0, middle - 1, length - 1]], closed, atol=1e-8)
    assert total(bilen(length)) == 0.0


@given(lengths)
def test_learnet_is_its_closed_form_and_sums_to_the_length(length):
    middle = (length + 1) // 2
    closed = [2 * (length - k + 1) - length * (harmonic(length) - harmonic(k - 1)) for k in (1, middle, length)]
    np.testing.assert_allclose(learnet(length)[[0, middle - 1, length - 1]], closed, atol=1e-8)
    assert total(learnet(length)) == length


@given(st.integers(2, 40))
def test_bilen_is_the_direct_double_sum(length):
    # The gradient at zero: sum over pairs q > t of V_q - V_t, with V_t the mean of the first t frames.
    frames = np.eye(length)
    means = np.cumsum(frames, axis=0) / np.arange(1, length + 1)[:, None]
    pairs = sum(means[q] - means[t] for t in range(length) for q in range(t + 1, length))
    np.testing.assert_allclose(bilen(length), pairs, atol=1e-9)


@pytest.mark.parametrize("function", [bilen, learnet, lambda n: exact(np.zeros((n, 4)))])
@pytest.mark.parametrize("length", [0, 1])
def test_one_frame_has_no_dynamic_image(function, length):
    with pytest.raises(DataError, match=f"at least 2 frames, got {length}"):
        function(length)


def test_unknown_kind_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'bilen'"):
        fixed_weights("billen", 5)


def drift(length=20, noise=0.0, seed=0):
    """Frames that move along one direction on a strong static image: (T, 6, 6, 3), and the direction."""
    rng = np.random.default_rng(seed)
    static, direction = rng.uniform(0, 255, (6, 6, 3)), rng.normal(0, 1, (6, 6, 3))
    steps = np.arange(length)[:, None, None, None]
    return static + steps * direction + rng.normal(0, noise, (length, 6, 6, 3)) * (noise > 0), direction


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_exact_rank_pooling_orders_a_linear_drift(noise):
    frames, direction = drift(noise=noise)
    weights = exact(frames)
    image = np.tensordot(weights, frames, axes=1)
    means = np.cumsum(frames, axis=0) / np.arange(1, len(frames) + 1)[:, None, None, None]
    scores = (means * image).sum(axis=(1, 2, 3))
    assert (np.diff(scores) > 0).all(), "the running means are ranked by time"
    assert np.corrcoef(image.ravel(), direction.ravel())[0, 1] > 0.98
    assert abs(weights.sum()) < 1e-9


def test_exact_rank_pooling_turns_with_time():
    frames, _ = drift()
    forwards = np.tensordot(exact(frames), frames, axes=1)
    backwards = np.tensordot(exact(frames[::-1]), frames[::-1], axes=1)
    assert np.corrcoef(forwards.ravel(), backwards.ravel())[0, 1] < -0.99


def test_exact_rank_pooling_ignores_a_static_part_and_the_scale():
    frames, _ = drift(noise=0.3)
    weights = exact(frames)
    np.testing.assert_allclose(exact(frames + 1000.0), weights, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(exact(frames * 3.0) * 3, weights, rtol=1e-4, atol=1e-7)


def test_exact_weights_of_a_static_clip_are_zero():
    static = np.repeat(np.random.default_rng(0).integers(0, 256, (1, 5, 5, 3)), 9, axis=0).astype(np.uint8)
    np.testing.assert_array_equal(exact(static), np.zeros(9))


def test_exact_rank_pooling_beats_the_approximation_at_its_own_aim():
    # Ranking loss on a clip that rests, moves and rests: the solved problem has the smaller squared error.
    rng = np.random.default_rng(3)
    rise = np.clip((np.arange(30) - 10) / 8, 0, 1)[:, None]
    frames = rng.uniform(0, 255, (1, 60)) + rise * rng.normal(0, 5, (1, 60)) + rng.normal(0, 1, (30, 60))
    means = np.cumsum(frames, axis=0) / np.arange(1, 31)[:, None]
    means = means - means.mean(axis=0)
    target = np.arange(30) - 14.5

    def error(weights):
        scores = means @ (weights @ frames)
        scores = scores * (scores @ target) / (scores @ scores)
        return ((scores - target) ** 2).sum()

    assert error(exact(frames)) < error(bilen(30))
