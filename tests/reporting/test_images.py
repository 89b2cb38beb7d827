"""Images of runs: curves and the similarity of expressions."""

import pytest

from fernas.reporting.images import mean_curve, numbered_by_fold, similarity_images
from tests.fixtures.made_up_results import EMOTIONS, study_document
from tests.reporting.conftest import study_of


def test_mean_curve_skips_what_is_missing() -> None:
    assert mean_curve([[(0, 1.0), (1, None)], [(0, 3.0), (2, float("nan"))]]) == ([0.0], [2.0])


def test_the_mean_of_curves_that_only_rise_never_falls_where_one_of_them_ends() -> None:
    high, low = [(0, 0.2), (1, 0.3)], [(0, 0.1), (1, 0.1), (2, 0.1)]
    assert mean_curve([high, low]) == ([0.0, 1.0], [pytest.approx(0.15), pytest.approx(0.2)])


def test_epochs_go_on_over_the_phases_of_a_fold() -> None:
    rows = [{"fold": 0, "epoch": 0, "x": 1}, {"fold": 0, "epoch": 0, "x": 2}, {"fold": 2, "epoch": 0, "x": 3}]
    assert numbered_by_fold(rows, "x") == [(0, 1), (1, 2), (0, 3)]


def test_the_similarity_of_expressions_is_drawn_where_relabelling_ran() -> None:
    document = study_document()
    document["methods"]["autofernet"] = {"search": "sgas", "space": "autofernet", "recipe": "relabel"}
    study = study_of(document)
    (image,) = similarity_images(study, ["autofernet", "emonas"], EMOTIONS)
    assert "anger" in image.alt and "autofernet" in image.caption and image.source.startswith("data:image/svg")
    document["methods"]["autofernet"]["recipe_options"] = {"strategy": 1}
    assert similarity_images(study_of(document), ["autofernet"], EMOTIONS) == []
