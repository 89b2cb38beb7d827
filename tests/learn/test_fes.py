import gzip
import hashlib
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernas.core.errors import ConfigError, DataError
from fernas.learn import fes

# the lower triangle as printed beside the published matrix (its label order), rows 1..6
PUBLISHED = [
    [0.02718851],
    [0.02188297, 0.00951736],
    [0.02002968, 0.01147336, 0.01524509],
    [0.04878107, 0.02775054, 0.02792287, 0.02575007],
    [0.03223266, 0.01381716, 0.04619572, 0.03452561, 0.03472185],
    [0.05837538, 0.03206117, 0.03383849, 0.05580243, 0.13838511, 0.05298048],
]


def test_the_formula_by_hand():
    votes = np.array([[4, 2, 0], [1, 1, 8], [0, 5, 5], [10, 0, 0]])
    expected = {
        (0, 1): Fraction(1, 4) * (Fraction(2, 4) + Fraction(1, 1)),
        (0, 2): Fraction(1, 4) * Fraction(1, 8),
        (1, 2): Fraction(1, 4) * (Fraction(1, 8) + Fraction(1, 1)),
    }
    matrix = fes.similarity(votes)
    for (i, j), value in expected.items():
        assert matrix[i, j] == matrix[j, i] == pytest.approx(float(value), abs=1e-15)
    assert (np.diag(matrix) == 1).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 10), min_size=4, max_size=4), min_size=1, max_size=30), st.permutations(range(4))
)
def test_symmetric_bounded_and_moved_along_with_the_classes(rows, order):
    votes = np.array(rows)
    matrix = fes.similarity(votes)
    assert np.array_equal(matrix, matrix.T) and matrix.min() >= 0 and matrix.max() <= 1
    assert np.allclose(fes.similarity(votes[:, order]), matrix[np.ix_(order, order)], atol=1e-15)


@pytest.mark.parametrize("rows", ["training", "all"])
def test_the_committed_matrices_come_from_the_committed_votes(rows):
    matrix = fes.fes_of_votes(fes.VOTES, fes.CLASSES, rows)
    committed = pd.read_csv(fes.MATRICES[rows], index_col=0)
    assert list(committed.index) == list(committed.columns) == list(fes.CLASSES)
    assert np.allclose(committed.to_numpy(), matrix.to_numpy(), atol=1e-9)
    off = matrix.where(~np.eye(7, dtype=bool)).stack()
    assert set(off.idxmax()) == {"neutral", "sadness"}
    assert len(fes.read_votes(fes.VOTES, fes.CLASSES, rows)) == {"training": 28709, "all": 35887}[rows]


def test_all_rows_give_the_published_values_times_35888_over_35887():
    matrix = fes.read_fes("all", fes.CLASSES)
    for i, row in enumerate(PUBLISHED, start=1):
        for j, value in enumerate(row):
            assert matrix[i, j] * 35887 / 35888 == pytest.approx(value, abs=6e-9)


@pytest.mark.parametrize(("threshold", "count"), [(0.02, 17), (0.03, 11), (0.04, 6)])
def test_leaving_the_test_rows_out_changes_no_admitted_pair(threshold, count):
    training, everything = (
        fes.admitted(fes.read_fes(r, fes.CLASSES), fes.CLASSES, threshold) for r in ("training", "all")
    )
    assert training == everything and len(training) == count


def test_the_eleven_pairs_at_the_published_threshold():
    assert fes.admitted(fes.read_fes("training", fes.CLASSES), fes.CLASSES, 0.03) == [
        ("anger", "sadness"), ("anger", "surprise"), ("anger", "neutral"), ("disgust", "neutral"), ("fear", "surprise"),
        ("fear", "neutral"), ("happiness", "surprise"), ("happiness", "neutral"), ("sadness", "surprise"),
        ("sadness", "neutral"), ("surprise", "neutral"),
    ]  # fmt: skip


def test_classes_are_found_by_name_and_unknown_ones_are_similar_to_none():
    matrix = fes.read_fes("training", ["contempt", "sadness", "neutral"])
    assert matrix[1, 2] == pytest.approx(0.142881304) and (matrix[0] == [1, 0, 0]).all()
    with pytest.raises(DataError, match="knows none of the classes"):
        fes.read_fes("training", ["positive", "negative"])
    with pytest.raises(ConfigError, match="expected training, all or a csv"):
        fes.read_fes("trainig", fes.CLASSES)


def test_the_committed_votes_are_the_published_file_and_their_licence_is_there():
    assert hashlib.sha256(gzip.decompress(fes.VOTES.read_bytes())).hexdigest() == fes.VOTES_SHA256
    assert "MIT License" in (fes.DATA / "FERPLUS_LICENSE.md").read_text()


def test_a_matrix_of_another_dataset(tmp_path):
    votes = tmp_path / "votes.csv"
    pd.DataFrame({"calm": [3, 0], "tense": [1, 4], "note": ["a", "b"]}).to_csv(votes, index=False)
    out = tmp_path / "fes.csv"
    fes.main(["--votes", str(votes), "--classes", "calm", "tense", "--out", str(out)])
    assert fes.read_fes(str(out), ["tense", "calm"])[0, 1] == pytest.approx(1 / 6, abs=1e-9)
    with pytest.raises(DataError, match="no column of votes for bored"):
        fes.fes_of_votes(votes, ["calm", "bored"])
    with pytest.raises(DataError, match="no column Usage"):
        fes.fes_of_votes(votes, ["calm", "tense"], "training")
    broken = tmp_path / "broken.csv"
    broken.write_text(",a,b\na,1,0.2\nb,0.3,1\n")
    with pytest.raises(DataError, match="symmetric"):
        fes.read_fes(str(broken), ["a", "b"])


def test_bad_votes_are_refused():
    for votes in (np.zeros((0, 3)), np.array([[1.0, -1.0]]), np.array([[np.nan, 1.0]])):
        with pytest.raises(DataError):
            fes.similarity(votes)


def test_the_heat_map_is_one_svg_with_all_values():
    from fernas.reporting.figures import similarity_svg

    text = similarity_svg(fes.read_fes("training", fes.CLASSES), fes.CLASSES)
    assert text.startswith("<svg") and ".143" in text and "sadness" in text
