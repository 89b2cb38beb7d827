"""What every metric must do: its range, perfect predictions, any order of the classes, and scikit-learn's values."""

import warnings

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from fernas.core.errors import DataError
from fernas.metrics import Metric, all_metrics, confusion

METRICS = all_metrics()


def of_predictions(metric: Metric, labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The metric of labels (N,) and probabilities (N, K)."""
    if metric.of_predictions is not None:
        return metric.of_predictions(labels, probabilities)
    return metric(labels, probabilities.argmax(axis=1), probabilities.shape[1])


def random_predictions(seed: int, classes: int = 4, samples: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) of uneven classes, and probabilities (N, K) with ties that favour the label a little."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.choice(classes, samples - classes, p=[0.5, 0.3, 0.15, 0.05])])
    raw = rng.integers(1, 9, (samples, classes)) + 4 * (labels[:, None] == np.arange(classes))
    return labels, raw / raw.sum(axis=1, keepdims=True)


# The metrics that scikit-learn has too: class indices, predicted indices and probabilities -> value.
SKLEARN = {
    "accuracy": lambda true, predicted, _: sklearn_metrics.accuracy_score(true, predicted),
    "uf1": lambda true, predicted, _: sklearn_metrics.f1_score(
        true, predicted, average="macro", labels=np.unique(true)
    ),
    "uar": lambda true, predicted, _: sklearn_metrics.balanced_accuracy_score(true, predicted),
    "kappa": lambda true, predicted, _: sklearn_metrics.cohen_kappa_score(true, predicted),
    "mcc": lambda true, predicted, _: sklearn_metrics.matthews_corrcoef(true, predicted),
    "auroc": lambda true, _, p: sklearn_metrics.roc_auc_score(true, p, multi_class="ovr", average="macro"),
}


def test_metrics_come_in_the_order_of_the_tables():
    assert [metric.name for metric in METRICS][:6] == ["accuracy", "uf1", "uar", "kappa", "mcc", "auroc"]
    assert len({metric.name for metric in METRICS}) == len(METRICS) and all(metric.title for metric in METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_one_function_and_says_which(metric: Metric):
    assert (metric.of_confusion is None) != (metric.of_predictions is None)
    if metric.of_confusion is None:
        with pytest.raises(TypeError, match="needs probabilities"):
            metric([0, 1], [0, 1])


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_values_are_in_range_and_perfect_predictions_give_one(metric: Metric):
    for seed in range(20):
        labels, probabilities = random_predictions(seed)
        assert metric.lowest <= of_predictions(metric, labels, probabilities) < 1
        shuffled = np.random.default_rng(seed).permutation(probabilities)
        assert metric.lowest <= of_predictions(metric, labels, shuffled) < 1
        assert of_predictions(metric, labels, np.eye(4)[labels]) == pytest.approx(1, abs=1e-12)
    inverted = 1 - np.eye(2)[np.array([0, 1, 1, 0, 1])]
    assert of_predictions(metric, np.array([0, 1, 1, 0, 1]), inverted) >= metric.lowest


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_order_of_the_classes_and_of_the_samples_does_not_matter(metric: Metric):
    labels, probabilities = random_predictions(3)
    probabilities = probabilities + np.random.default_rng(0).random(probabilities.shape) * 1e-3  # no ties of argmax
    value = of_predictions(metric, labels, probabilities)
    order = np.array([2, 0, 3, 1])
    renamed = np.argsort(order)[labels]
    assert of_predictions(metric, renamed, probabilities[:, order]) == pytest.approx(value, abs=1e-12)
    rows = np.random.default_rng(1).permutation(len(labels))
    assert of_predictions(metric, labels[rows], probabilities[rows]) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("name", SKLEARN)
def test_equal_to_scikit_learn(name: str):
    metric = next(metric for metric in METRICS if metric.name == name)
    for seed in range(30):
        labels, probabilities = random_predictions(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = SKLEARN[name](labels, probabilities.argmax(axis=1), probabilities)
        assert of_predictions(metric, labels, probabilities) == pytest.approx(expected, abs=1e-12)


CONFUSION_METRICS = [metric for metric in METRICS if metric.of_confusion is not None]


@pytest.mark.parametrize("metric", CONFUSION_METRICS, ids=lambda metric: metric.name)
def test_a_stack_of_confusions_is_scored_one_by_one(metric: Metric):
    stack = np.random.default_rng(0).integers(0, 9, (4, 5, 3, 3)) + np.eye(3)
    stack[1, 2, 0] = 0
    values = metric.of_confusion(stack)
    assert values.shape == (4, 5)
    assert values[1, 2] == pytest.approx(float(metric.of_confusion(stack[1, 2])))
    assert values == pytest.approx(metric.of_confusion(7 * stack), abs=1e-12), "the scale of the counts does not matter"
    assert ((values >= metric.lowest) & (values <= 1)).all()
    assert np.isnan(metric.of_confusion(np.zeros((3, 3))))


@pytest.mark.parametrize("metric", CONFUSION_METRICS, ids=lambda metric: metric.name)
def test_class_indices_outside_the_classes_are_refused(metric: Metric):
    with pytest.raises(DataError, match="expected 0 .. 2"):
        metric([0, 3], [0, 1], 3)


@pytest.mark.parametrize("metric", [m for m in METRICS if m.ratios], ids=lambda metric: metric.name)
def test_numerators_and_denominators_of_a_mean_of_ratios_are_linear_in_the_counts(metric: Metric):
    stack = np.random.default_rng(0).integers(0, 9, (5, 3, 3)).astype(float)
    for each, of_sum in zip(metric.ratios(stack), metric.ratios(stack.sum(axis=0)), strict=True):
        assert np.allclose(each.sum(axis=0), of_sum)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_labels_of_one_class_give_a_value_in_range_or_nan(metric: Metric):
    labels, probabilities = np.zeros(5, int), np.eye(3)[[0, 0, 0, 0, 0]]
    value = of_predictions(metric, labels, probabilities)
    assert np.isnan(value) or metric.lowest <= value <= 1
    assert confusion(labels, probabilities.argmax(axis=1), 3).sum() == 5
