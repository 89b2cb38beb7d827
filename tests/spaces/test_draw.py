"""Drawings of cells."""

import xml.etree.ElementTree as ET

import pytest

from fernas.core.architecture import NamedArchitecture
from fernas.spaces.draw import draw_svg
from tests.fixtures.architectures import AUTOFERNET, EMONAS, cells


@pytest.mark.parametrize("document", [EMONAS, AUTOFERNET])
def test_drawings_are_well_formed_and_name_every_operation(document):
    svg = draw_svg(cells(document))
    root = ET.fromstring(svg)
    texts = [e.text for e in root.iter() if e.tag.endswith("text")]
    for name, _ in [*document["normal"], *document["reduce"]]:
        assert name in texts
    width, height = float(root.get("width")), float(root.get("height"))
    for rect in (e for e in root.iter() if e.tag.endswith("rect")):
        assert float(rect.get("x")) >= 0 and float(rect.get("x")) + float(rect.get("width")) <= width
        assert float(rect.get("y")) + float(rect.get("height")) <= height


def test_drawings_escape_names():
    svg = draw_svg(NamedArchitecture(name="<b>&co"))
    assert ET.fromstring(svg) is not None and "<b>" not in svg
