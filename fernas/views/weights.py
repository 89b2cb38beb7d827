"""How much each frame counts in a dynamic image.

A ranking function wants the score of the mean of the first i frames to grow with i. `bilen` is the first gradient step
of that problem from zero, `learnet` the same arithmetic without the -1, `exact` the solved problem.

Sources: `bilen`, Bilen et al., "Dynamic image networks for action recognition", CVPR 2016, and their released code;
`learnet`, the released code of LEARNet (Verma et al., 2019); `exact`, Fernando et al., "Modeling video evolution for
action recognition", CVPR 2015, and their released code.
"""

import math

import numpy as np

from fernas.core.errors import DataError, unknown

FIXED = ("bilen", "learnet")
KINDS = (*FIXED, "exact")
EXACT_C = 1.0
EXACT_EPSILON = 0.1


def bilen(length: int) -> np.ndarray:
    """Approximate rank pooling: gamma_t = sum_{i=t..T} (2i - T - 1) / i, float64 (T,); the weights sum to zero.

    Raises:
        DataError: fewer than two frames.
    """
    return _suffix_sums(length, 2.0 * np.arange(1, _checked(length) + 1) - length - 1)


def learnet(length: int) -> np.ndarray:
    """LEARNet's variant: w_t = sum_{i=t..T} (2i - T) / i, float64 (T,); the weights sum to T, so the mean face stays.

    Raises:
        DataError: fewer than two frames.
    """
    return _suffix_sums(length, 2.0 * np.arange(1, _checked(length) + 1) - length)


def fixed_weights(kind: str, length: int) -> np.ndarray:
    """`bilen` or `learnet` by name, float64 (T,)."""
    if kind not in FIXED:
        raise unknown("weights of a dynamic image that depend on its length alone", kind, FIXED)
    return bilen(length) if kind == "bilen" else learnet(length)


def exact(frames: np.ndarray) -> np.ndarray:
    """Exact rank pooling: the weights of the frames in the direction that ranks the time-averaged frames by time.

    The running means V_t of the frames, centred over time (a static part cannot rank anything), are brought to unit
    mean square, and a linear support vector regression of t on V_t gives the direction d, as in the released code of
    Fernando et al. d lies in the span of the V_t, so it is a weighted sum of the frames; the weights sum to zero.

    scikit-learn's LinearSVR (liblinear) is used in its primal form, which draws no random numbers. It works on
    coordinates in the span of the V_t, so that its size is T x T whatever the size of the frames.

    Args:
        frames: (T, ...) of any number type, aligned; held in memory as float64 differences to the first frame.

    Returns:
        float64 (T,); zeros for a static clip.

    Raises:
        DataError: fewer than two frames.
    """
    from sklearn.svm import LinearSVR

    length = _checked(len(frames))
    flat = frames.reshape(length, -1).astype(np.float64)
    flat -= flat[0].copy()  # the first frame is a constant that centring takes out; without it the sums stay exact
    averages = np.tril(np.ones((length, length))) / np.arange(1, length + 1)[:, None]  # V = averages @ frames
    centring = np.eye(length) - 1 / length
    mixing = centring @ averages
    gram = mixing @ (flat @ flat.T) @ mixing.T  # (T, T)
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    if values[-1] <= 0:
        return np.zeros(length)
    # Directions whose eigenvalue is rounding noise would be divided by almost zero below.
    is_signal = values > values[-1] * 1e-10
    values, vectors = values[is_signal], vectors[:, is_signal]
    scale = math.sqrt(values.sum() / length)
    coordinates = vectors * np.sqrt(values) / scale  # (T, r), same inner products as the scaled V_t
    solver = LinearSVR(
        C=EXACT_C, epsilon=EXACT_EPSILON, loss="squared_epsilon_insensitive", dual=False, fit_intercept=False, tol=1e-6,
        max_iter=10_000,
    )  # fmt: skip
    # times and averages are both centred, so no intercept is needed
    solver.fit(coordinates, np.arange(1, length + 1) - (length + 1) / 2)
    by_average = vectors @ (solver.coef_ / np.sqrt(values))  # d = sum_t by_average[t] V_t
    return mixing.T @ by_average


def total(weights: np.ndarray) -> float:
    """The sum of the weights with the rounding taken off: what a static image is multiplied by."""
    # + 0.0 turns -0.0 into 0.0
    return round(math.fsum(weights), 9) + 0.0


def _suffix_sums(length: int, numerators: np.ndarray) -> np.ndarray:
    # sum from t to T is a cumulative sum from the end
    return np.cumsum((numerators / np.arange(1, length + 1))[::-1])[::-1].copy()


def _checked(length: int) -> int:
    if length < 2:
        raise DataError(f"a dynamic image needs at least 2 frames, got {length}")
    return length
