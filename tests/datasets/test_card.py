"""Data cards."""

from fernas.core import plugins
from fernas.datasets.audit import audit_dataset
from fernas.datasets.card import data_card
from fernas.datasets.frames import FrameReader
from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.samm import write_samm


def test_data_card_names_what_matters(tmp_path):
    write_samm(tmp_path)
    table = build_manifest("samm", tmp_path)
    spec = plugins.load("datasets", "samm").spec
    card = data_card(spec, table, audit_dataset(spec, table, FrameReader({"samm": tmp_path})))
    parts = ["# SAMM", "| anger | 1 | 57 | 1 |", "`samm/032/032_3_3`: apex 70 after offset 48", spec.licence]
    parts += [spec.homepage, "annotated: 5; the middle frame: 1.", "Not verified without", "60x40 (6)"]
    for part in parts:
        assert part in card, part
