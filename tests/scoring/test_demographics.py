"""Recall by demographic group."""

import numpy as np
import pandas as pd
import pytest

from fernas.scoring.demographics import demographic_scores


def predictions(predicted):
    """(sample id, subject, label, predicted) -> predictions of two classes."""
    rows = [
        {"sample_id": name, "subject": subject, "fold": 0, "label": label, "p_a": float(prediction == "a"),
         "p_b": float(prediction == "b")}
        for name, subject, label, prediction in predicted
    ]  # fmt: skip
    return pd.DataFrame(rows)


def two_groups():
    """Forty samples: `light` has 18 of 20 right, `dark` 12 of 20; one subject per sample, frames of clips."""
    predicted, groups = [], []
    for tone, wrong in (("light", 1), ("dark", 4)):
        for label, other in (("a", "b"), ("b", "a")):
            for n in range(10):
                name = f"d/{tone}{label}{n}/c"
                predicted.append((f"{name}/f00003", f"d/{tone}{label}{n}", label, other if n < wrong else label))
                groups.append((name, tone, None if n else "few"))
    return predictions(predicted), pd.DataFrame(groups, columns=["sample_id", "skin_tone", "age"])


def test_gap_of_a_known_table():
    table, groups = two_groups()
    result = demographic_scores([table], groups)
    assert list(result) == ["skin_tone"]  # age is known of four samples of one group only
    tone = result["skin_tone"]
    assert tone["groups"]["light"] == {"samples": 20, "units": 20, "recall": pytest.approx(0.9), "accuracy": 0.9}
    assert tone["gap"] == pytest.approx(0.3) and (tone["best"], tone["worst"]) == ("light", "dark")
    low, high = tone["interval"]
    assert low < 0.3 < high and low > -0.1
    assert tone["classes"] == ["a", "b"] and tone["unknown"] == 0 and tone["left_out"] == {}
    assert result == demographic_scores([table.sample(frac=1, random_state=1)], groups)


def test_the_interval_covers_no_difference_where_there_is_none():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(40):
        predicted = [
            (f"d/{n}", None, "ab"[n % 2], "ab"[n % 2] if rng.random() < 0.8 else "ba"[n % 2]) for n in range(200)
        ]
        groups = pd.DataFrame(
            {"sample_id": [a[0] for a in predicted], "sex": [("m", "f")[n // 2 % 2] for n in range(200)]}
        )
        low, high = demographic_scores([predictions(predicted)], groups, resamples=400, seed=trial)["sex"]["interval"]
        covered += low <= 0 <= high
    assert covered >= 34


def test_only_classes_that_all_groups_have_are_compared_and_small_groups_are_named():
    table, groups = two_groups()
    table.loc[table["sample_id"].str.startswith("d/darkb"), ["label", "p_a", "p_b"]] = ["a", 1.0, 0.0]
    groups.loc[:4, "skin_tone"] = "medium"
    tone = demographic_scores([table], groups)["skin_tone"]
    assert tone["classes"] == ["a"] and tone["left_out"] == {"medium": 5}
    assert tone["groups"]["dark"]["recall"] == pytest.approx((6 + 10) / 20)


def test_one_group_alone_or_no_attribute_is_nothing():
    table, groups = two_groups()
    assert demographic_scores([table], groups[["sample_id"]]) == {}
    assert demographic_scores([table], groups.assign(skin_tone="light")) == {}


def test_a_gap_that_is_the_same_in_all_resamples_has_no_interval():
    table, groups = two_groups()
    for name in ("a", "b"):
        table[f"p_{name}"] = (table["label"] == name) * 1.0
    tone = demographic_scores([table], groups)["skin_tone"]
    assert tone["gap"] == 0 and tone["interval"] == [None, None]
