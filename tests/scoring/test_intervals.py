"""Confidence intervals: worked by hand, and their coverage in simulations."""

import numpy as np
import pytest

from fernas.metrics import Metric, accuracy, all_metrics, uar, uf1
from fernas.scoring.compare import compare_runs
from fernas.scoring.intervals import bootstrap_intervals, studentised
from fernas.scoring.scores import score_predictions
from tests.fixtures.predictions import (
    confusions_of_random_posed_subjects,
    confusions_of_random_subjects,
    predictions,
)

METRICS = [metric for metric in all_metrics() if metric.of_confusion is not None]


def test_resamples_that_miss_a_class_are_redrawn_and_counted():
    table = predictions(subjects=6)
    table = table[(table["label"] != "c") | (table["subject"] == "d/s00")].reset_index(drop=True)
    scores = score_predictions(table, resamples=1000)
    missing = (5 / 6) ** 6  # of the resamples lack the one subject
    assert scores["redrawn"] == pytest.approx(1000 * missing / (1 - missing), rel=0.15)
    assert None not in scores["interval"]["uar"]


def test_one_subject_alone_has_no_interval():
    scores = score_predictions(predictions(subjects=1, each=12))
    assert scores["interval"]["uar"] == [None, None] and scores["resamples"] == 0


def test_the_studentised_interval_by_hand():
    values, errors = np.linspace(0.4, 0.6, 101), np.full(101, 0.05)
    # ratios run from -2 to 2 in steps of 0.04; their 2.5 % and 97.5 % places are 2 and 98
    low, high = studentised(0.5, 0.1, values, errors, 0.95)
    assert (low, high) == pytest.approx((0.5 - 1.92 * 0.1, 0.5 + 1.92 * 0.1))
    assert studentised(0.97, 0.1, values + 0.47, errors, 0.95)[1] == 1.0
    # ratios from -1 to 3, hence places -0.92 and 2.92: resamples reach high, so the truth may lie far below the score
    low, high = studentised(0.5, 0.1, values + 0.05, errors, 0.95)
    assert (low, high) == pytest.approx((0.5 - 2.92 * 0.1, 0.5 + 0.92 * 0.1))
    assert studentised(1.0, 0.0, np.ones(5), np.zeros(5)) == (None, None)


def test_an_interval_stays_finite_where_few_subjects_make_the_difference():
    table = predictions(16).assign(p_a=1.0, p_b=0.0, p_c=0.0)
    table.loc[(table["label"] == "b") & (table["subject"] < "d/s02"), ["p_a", "p_b"]] = [0.0, 1.0]
    low, high = score_predictions(table)["interval"]["uar"]
    assert low < score_predictions(table)["uar"] < high < 0.6


def test_the_linearised_error_is_that_of_a_proportion():
    # one sample per unit: the standard error of accuracy is sqrt(p (1 - p) / n), so the interval is about t times that
    predicted = np.zeros((1, 400, 2, 2), int)
    predicted[0, :300, 0, 0] = 1
    predicted[0, 300:, 0, 1] = 1
    result = bootstrap_intervals(predicted, [accuracy], np.random.default_rng(0), 4000)
    low, high = result.bounds["accuracy"]
    assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(0.75 * 0.25 / 400), rel=0.05)


@pytest.mark.parametrize("metric", [accuracy, uf1, uar], ids=lambda metric: metric.name)
def test_the_error_of_any_smooth_function_of_the_counts_equals_that_of_a_mean_of_ratios(metric):
    counts = confusions_of_random_subjects(np.random.default_rng(0), 30, methods=2)
    smooth = Metric(name="smooth", title="", of_confusion=metric.of_confusion)
    for weights in (None, np.array([1.0, -1.0])):
        bounds = bootstrap_intervals(counts, [metric, smooth], np.random.default_rng(1), 300, weights=weights).bounds
        assert bounds["smooth"] == pytest.approx(bounds[metric.name], abs=1e-7)


def test_intervals_of_kappa_and_mcc_may_be_negative_and_that_of_auroc_is_null():
    scores = score_predictions(predictions(right=0.0, seed=3))
    for name in ("kappa", "mcc"):
        low, high = scores["interval"][name]
        assert -1 <= low < scores[name] < high <= 1 and low < 0
    assert scores["interval"]["auroc"] == [None, None] and 0 < scores["auroc"] < 1


def coverage(draw, units, draws=1000, resamples=500):
    """Share of draws whose interval covers the value of the population."""
    population = sum(draw(np.random.default_rng([1, k]), 50_000).sum(axis=1) for k in range(4))
    hits = {metric.name: 0 for metric in METRICS}
    for k in range(draws):
        rng = np.random.default_rng([2, units, k])
        result = bootstrap_intervals(draw(rng, units), METRICS, rng, resamples)
        for metric in METRICS:
            low, high = result.bounds[metric.name]
            hits[metric.name] += low <= float(metric.of_confusion(population)[0]) <= high
    return {name: count / draws for name, count in hits.items()}


@pytest.mark.slow
@pytest.mark.parametrize("units", [24, 68])
@pytest.mark.parametrize("draw", [confusions_of_random_subjects, confusions_of_random_posed_subjects])
def test_intervals_cover_as_they_say_with_correlated_samples_in_subjects(draw, units):
    for name, share in coverage(draw, units).items():
        assert 0.93 <= share <= 0.97, (name, share)


@pytest.mark.slow
def test_with_ten_subjects_intervals_cover_a_little_less():
    for name, share in coverage(confusions_of_random_subjects, 10).items():
        assert 0.90 <= share <= 0.97, (name, share)


def test_intervals_cover_in_a_small_simulation():
    shares = coverage(confusions_of_random_posed_subjects, 24, draws=60, resamples=200)
    assert all(share >= 0.85 for share in shares.values()), shares


@pytest.mark.parametrize("predicted", ["label", "a"])
def test_a_perfect_and_a_constant_predictor_have_no_interval_of_width_zero(predicted):
    table = predictions(subjects=6)
    for name in ("a", "b", "c"):
        table[f"p_{name}"] = (table["label"] == name if predicted == "label" else name == predicted) * 1.0
    scores = score_predictions(table)
    assert scores["uar"] == pytest.approx(1.0 if predicted == "label" else 1 / 3)
    assert scores["interval"]["uar"] == [None, None]


def test_two_equal_runs_have_no_interval_of_their_difference():
    comparison = compare_runs(predictions(), predictions())
    assert comparison["difference"]["uar"] == 0 and comparison["interval"]["uar"] == [None, None]
