"""The rendered layouts through the adapters: found is exactly what was drawn."""

import pytest

from fernas.core import plugins
from fernas.core.io import write_json
from fernas.datasets.audit import audit_dataset
from fernas.datasets.card import data_card
from fernas.datasets.check import check_data
from fernas.datasets.frames import FrameReader
from fernas.datasets.manifest import build_manifest, merge_manifests
from fernas.synth import write_dataset
from tests.fixtures.rendered_datasets import all_classes_options

LAYOUTS = plugins.available("synth/layouts")


PAPERS = {
    "casme", "casme2", "casme_sq", "ck48", "ckplus", "disfa", "fer2013", "ised", "jaffe", "mug", "oulu", "rafdb",
    "samm", "smic",
}  # fmt: skip


def test_every_dataset_of_the_papers_can_be_rendered():
    assert set(LAYOUTS) >= PAPERS


def test_every_layout_has_an_adapter():
    assert set(LAYOUTS) <= set(plugins.available("datasets"))


def check_rendered(name, root):
    """Render a dataset, read it, and compare manifest, audit and card with the renderer's sidecar."""
    truth = write_dataset(name, root, all_classes_options(name))
    table = build_manifest(name, root)
    found = audit_dataset(plugins.load("datasets", name).spec, table, FrameReader({name: root}), truth)
    assert not found["fatal"], found["problems"]
    assert (found["samples"], found["subjects"]) == (truth["samples"], truth["subjects"])
    assert found["classes"] == truth["classes"] or dict(sorted(found["classes"].items())) == truth["classes"]
    assert found["splits"] == {split: n for split, n in truth["splits"].items()} or not truth["splits"]
    assert found["unreadable"] == [] and found["excluded"] == {}
    assert found["image_statistics"]["differences"] == []
    card = data_card(plugins.load("datasets", name).spec, table, found)
    assert "rendered" in card.split("\n")[0]
    write_json(root.with_name(root.name + ".truth.json"), truth)
    assert check_data(name, root)["expected"]["samples"] == truth["samples"]


@pytest.mark.parametrize("name", [n for n in LAYOUTS if n in {"ckplus", "jaffe", "oulu"}])
def test_found_is_what_was_drawn(name, tmp_path):
    check_rendered(name, tmp_path / "dataset")


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in LAYOUTS if n not in {"ckplus", "jaffe", "oulu"}])
def test_found_is_what_was_drawn_in_the_other_layouts(name, tmp_path):
    check_rendered(name, tmp_path / "dataset")


@pytest.mark.slow
def test_rendered_composite_says_that_it_is_rendered(tmp_path):
    roots, parts = {}, {}
    for name in plugins.load("datasets", "megc2019").spec.parts:
        roots[name] = tmp_path / name / "dataset"
        write_json(tmp_path / name / "truth.json", write_dataset(name, roots[name], all_classes_options(name)))
        parts[name] = build_manifest(name, roots[name])
    found = audit_dataset(
        plugins.load("datasets", "megc2019").spec, merge_manifests("megc2019", parts), FrameReader(roots)
    )
    assert found["rendered"] and not found["fatal"] and not any("published" in p for p in found["problems"])
    assert check_data("megc2019", tmp_path)["samples"] == found["samples"]
