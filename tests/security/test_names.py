"""Names out of data (a class called `<script>`) through tables, report and MLflow; nothing becomes markup or a path."""

import csv
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from fernas.core.io import append_jsonl, write_json, write_parquet
from fernas.reporting.compare import compare_study
from fernas.reporting.report import build_report
from fernas.scoring.scores import score_predictions
from fernas.tracking import follow as tracking
from tests.fixtures.made_up_results import predictions, study_document

EVIL = "<script>alert(1)</script>"
OTHERS = ("a\"b'c", "../../../etc/passwd", "=HYPERLINK(1)", "x | y", "{{ 7 * 7 }}", "$\\input{x}$ & _ %")


@pytest.fixture
def results(tmp_path):
    """One finished run whose classes and subjects have hostile names."""
    from fernas.core.config import StudyConfig
    from fernas.study import Study

    root = tmp_path / "results"
    classes = [EVIL, *OTHERS]
    config = StudyConfig.model_validate(study_document())
    entry = config.study[0]
    base = root / f"runs/{entry.task}-rendered/{entry.protocol}/emonas/per_group/s0"
    frame = predictions(np.random.default_rng(0), classes, [f"{EVIL}/1", f"{EVIL}/2", "d/=1+1"], 0.7)
    write_parquet(base / "t0" / "predictions.parquet", frame)
    write_json(base / "t0" / "scores.json", score_predictions(frame, classes))
    write_json(base / "t0" / "status.json", {"status": "ok", "reason": "", "started": 1.0, "ended": 2.0})
    write_json(
        root / f"tasks/{entry.task}-rendered/{entry.protocol}/folds.train.json", {"classes": classes, "folds": [{}]}
    )
    for folder, key in ((base / "g0", "s"), (base / "t0" / "shard0", "t")):
        status = {
            "status": "failed",
            "reason": f"{EVIL} broke",
            "run_key": key,
            "started": 1.0,
            "ended": 2.0,
            EVIL: EVIL,
        }
        write_json(folder / "status.json", status)
        append_jsonl(folder / "metrics.jsonl", {"step": 0, "time": 1.0, f"recall/{EVIL}": 0.5, "../../x": 1.0})
    return root, Study.of(config).at(root)


class Scripts(HTMLParser):
    """The text of all script elements and all event handlers."""

    def __init__(self):
        super().__init__()
        self.inside, self.texts, self.handlers = False, [], []

    def handle_starttag(self, tag, attrs):
        self.inside = tag == "script"
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.texts.append(data)


def test_the_report_holds_them_as_text(results, tmp_path):
    root, study = results
    compare_study(root, study)
    html = build_report(root, study, tmp_path / "report").read_text(encoding="utf-8")
    found = Scripts()
    found.feed(html)
    assert len(found.texts) == 1 and "alert" not in found.texts[0] and not found.handlers
    assert EVIL not in html and "&lt;script&gt;alert(1)" in html
    assert ">49<" not in html, "a name was taken for a template"


def test_tables_keep_their_shape(results):
    root, study = results
    compare_study(root, study)
    with open(root / "comparison.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert len({len(row) for row in rows}) == 1
    text = (root / "comparison.md").read_text()
    assert EVIL not in text, "markdown viewers run html"
    tables = [table.strip().splitlines() for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]
    assert tables
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1, table


def test_the_mirror_takes_them_as_plain_names(results):
    from mlflow import MlflowClient

    root, _ = results
    report = tracking.sync(root, attempts=1)
    assert report.error == ""
    client = MlflowClient(tracking_uri=tracking.default_uri(root))
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(experiments)
    assert len(runs) == 3
    for run in runs:
        for name in (*run.data.metrics, *run.data.params, *run.data.tags):
            assert "<" not in name and ">" not in name, name
    reasons = {run.data.tags.get("fernas.reason") for run in runs}
    assert f"{EVIL} broke" in reasons, "values stay as they are: MLflow's page shows them as text"
    outside = [path for path in root.parent.iterdir() if path.name != "results"]
    assert outside == [], "an artefact left the results folder"
