"""The complexity table: counted once more by hand, measured at both batch sizes, in three forms."""

import numpy as np
import pandas as pd
import pytest

from fernas.core.architecture import NamedArchitecture, Network, read_architecture, write_architecture
from fernas.core.io import write_json
from fernas.reporting.complexity import COLUMNS, PUBLISHED_AUTOFERNET_MACS, complexity_frame, write_complexity
from fernas.spaces.complexity import complexity, macs
from tests.fixtures.architectures import AUTOFERNET, cells
from tests.fixtures.made_up_results import study_document
from tests.reporting.conftest import study_of


@pytest.fixture
def results(tmp_path):
    """Two methods on one task: found cells of two groups, and a fixed network."""
    from fernas.core.seeds import rng
    from fernas.spaces.sampling import random_architecture

    runs = tmp_path / "runs" / "toy-rendered" / "kfold"
    block = Network(cells=3, channels=8, classes=3, input=(3, 16, 16))
    for group in range(2):
        folder = runs / "autofernet" / "per_group" / "s0" / f"g{group}"
        write_architecture(folder / "architecture.json", random_architecture("autofernet", rng(group), block))
        write_json(folder / "cost.json", {"peak_rss_mib": 400.0 + group})
    fixed = runs / "small_cnn" / "no_data" / "s0"
    named = NamedArchitecture(name="small_cnn", network=Network(classes=3, input=(3, 16, 16)))
    write_architecture(fixed / "g0" / "architecture.json", named)
    write_json(fixed / "t0" / "shard0" / "cost.json", {"peak_rss_mib": 300.0})
    failed = runs / "vgg16" / "no_data" / "s0" / "g0"
    failed.mkdir(parents=True)
    (failed / "architecture.json").write_bytes(b"")
    return tmp_path


def toy_study(results):
    document = study_document()
    document["tasks"]["toy"] = document["tasks"]["ckplus-7n"]
    document["methods"] = {"autofernet": {"search": "sgas", "space": "autofernet"}, **document["methods"]}
    methods = ["autofernet", "small_cnn", "vgg16"]
    document["study"] = [{"task": "toy", "protocol": "kfold", "methods": methods}]
    document["protocols"]["kfold"] = document["protocols"]["kfold4"]
    return study_of(document).at(results)


def test_counts_and_measurements(results):
    table = complexity_frame(results, toy_study(results), repeats=1)
    assert list(table.columns) == list(COLUMNS) and list(table["method"]) == ["autofernet", "small_cnn"]
    found, fixed = table.iloc[0], table.iloc[1]
    folder = results / "runs" / "toy-rendered" / "kfold" / "autofernet" / "per_group" / "s0"
    counts = [complexity(read_architecture(folder / f"g{g}" / "architecture.json")) for g in (0, 1)]
    for name in ("params", "macs", "weight_bytes", "saved_bytes"):
        assert found[name] == np.mean([c[name] for c in counts])
    assert found["networks"] == 2 and found["search_peak_mib"] == 401.0 and fixed["train_peak_mib"] == 300.0
    assert found["macs_to_autofernet"] == 1 and fixed["macs_to_autofernet"] == fixed["macs"] / found["macs"]
    assert fixed["frames_per_s"] == pytest.approx(1e3 / fixed["latency_1_ms"])
    assert fixed["frames_per_s_32"] == pytest.approx(32e3 / fixed["latency_32_ms"])
    assert fixed["input"] == "3x16x16" and fixed["rendered"] and fixed["device"]


def test_the_published_auto_fernet_is_the_ruler():
    published = macs(cells(AUTOFERNET), cells=12, channels=36, classes=7, input_shape=(1, 48, 48))
    assert published == PUBLISHED_AUTOFERNET_MACS


def test_three_forms(results):
    write_complexity(results, toy_study(results), "cpu", 1)
    for suffix in ("csv", "md", "tex"):
        assert "small" in (results / "tables" / f"complexity.{suffix}").read_text()
    assert len(pd.read_csv(results / "tables" / "complexity.csv")) == 2
