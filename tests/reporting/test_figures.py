"""Figures: both schemes, the numbers that they show, the same bytes twice."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from fernas.reporting import figures


def texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_confusion_matrix_shows_counts_and_shares_of_rows() -> None:
    found = texts(figures.confusion_svg(np.array([[3, 1], [0, 0]]), ["a<b", "c"]))
    joined = " ".join(found)
    assert "75 %" in joined and "25 %" in joined and "a<b" in joined


def test_axis_labels_keep_their_digits() -> None:
    panel = figures.Panel("x", {"a": (range(3), [1.9401, 1.9405, 1.9409])})
    labels = [text for text in texts(figures.curves_svg([panel])) if text.startswith("1.9")]
    assert len(labels) >= 2 and len(set(labels)) == len(labels)


@pytest.mark.parametrize(
    "svg",
    [
        figures.forest_svg([figures.Estimate("m", 0.5, 0.4, 0.6), figures.Estimate("n", 0.3, np.nan, np.nan)], 0.25),
        figures.forest_svg([]),
        figures.subjects_svg({"m": [0.1, 0.5, 0.5], "n": []}, dict.fromkeys("mn", figures.KINDS[0])),
        figures.costs_svg({"m": {"search": 1.0, "training": 2.0}, "n": {"training": 1.0}}),
        figures.curves_svg([figures.Panel("x $", {"a": ([0], [1.0]), "b": ([0, 1], [1.0, 2.0]), "c": ([0], [3.0])})]),
    ],
    ids=["forest", "nothing", "subjects", "costs", "curves"],
)  # fmt: skip
def test_colours_follow_the_scheme(svg: str) -> None:
    ET.fromstring(svg)
    assert "prefers-color-scheme:dark" in svg and ("var(--ink)" in svg or "var(--muted)" in svg)
    assert not re.findall(r"#0[0-9a-f]0[0-9a-f]0[0-9a-f]\b", svg)  # every placeholder was replaced


def test_the_same_content_gives_the_same_bytes() -> None:
    matrix = np.arange(9).reshape(3, 3)
    assert figures.confusion_svg(matrix, list("abc")) == figures.confusion_svg(matrix, list("abc"))


def test_grey_images_become_png() -> None:
    for channels in (1, 3):
        assert figures.image_png(np.zeros((4, 4, channels), np.uint8)).startswith(b"\x89PNG")


def test_colours_of_methods_say_what_they_are_where_there_are_several_kinds() -> None:
    one = [figures.Estimate("m", 0.5, 0.4, 0.6)]
    assert "searched" not in texts(figures.forest_svg(one))
    two = [*one, figures.Estimate("n", 0.3, 0.2, 0.4, "not searched")]
    assert {"searched", "not searched"} <= set(texts(figures.forest_svg(two)))
    assert "random baseline" not in texts(figures.forest_svg(two))
    assert "random baseline" in texts(
        figures.subjects_svg({"m": [0.5], "n": [1.0]}, {"m": "searched", "n": "random baseline"})
    )


def test_subjects_stand_where_their_accuracy_is() -> None:
    svg = figures.subjects_svg({"m": [1 / 7] * 3}, {"m": "searched"})
    places = {float(x) for x in re.findall(r'<use xlink:href="#[^"]*" x="([\d.]+)"[^>]*var\(--c0\)', svg)}
    (median,) = re.findall(r'd="M ([\d.]+) [\d.]+ \s*L \1 [\d.]+ \s*" [^>]*var\(--ink\)', svg)
    assert list(places) == pytest.approx([float(median)], abs=0.02)


def test_a_curve_of_one_epoch_has_one_tick() -> None:
    svg = figures.curves_svg([figures.Panel("x", {"a": ([2], [0.3]), "b": ([2], [0.4])})])
    assert [text for text in texts(svg) if text.replace(".", "").isdigit() and not text.startswith("0")] == ["2"]


def test_legends_stand_where_they_fit() -> None:
    def columns(*names: str) -> int:
        return figures._legend_columns(figures.Panel("loss", dict.fromkeys(names, ([0], [1.0]))))

    assert columns("weights", "alphas") == 0 and columns("one") == 0
    assert columns("a", "b", "c", "a rather long name of a series") == 1
    assert columns(*(f"method_{k:06d}" for k in range(6))) == 2 and columns(*(f"m{k:06d}" for k in range(6))) == 3
