"""Published numbers: as they are in the data, and never beside ours without the reasons against."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fernas.reporting import published
from fernas.reporting.comparison import comparison
from fernas.reporting.table import Table
from tests.fixtures.made_up_results import EMOTIONS, study_document
from tests.reporting.conftest import Tree, study_of


@pytest.fixture(scope="module")
def rows(tree: Tree) -> list[Any]:
    frame = comparison(*tree)
    frame.loc[frame["method"] == "vgg16", ["status", "reason", "accuracy", "params"]] = ["ok", "", 0.5, 40_000_000]
    return list(published.published_frame(tree[0], frame, tree[1]).itertuples(index=False))


def row(rows: list[Any], method: str, dataset: str, setting: str) -> Any:
    return next(r for r in rows if (r.method, r.dataset, r.setting) == (method, dataset, setting))


def test_the_data_are_whole() -> None:
    table = published.published_results()
    assert len(table) == 187 and set(table["confidence"]) == {"paper", "secondary"}
    assert (table["value"] != "").all() and (table["source_table"] != "").all()
    known = table[(table["method"] == "Auto-FERNet+Relabeling+FES") & (table["setting"].str.startswith("PrivateTest"))]
    assert "73.78" in set(known["value"])


def test_reasons_come_from_the_two_rows(rows: list[Any]) -> None:
    found = row(rows, "VGG-16", "CK+", "6 classes")
    assert found.published == "96.7" and found.ours == "50.0" and found.confidence == "secondary"
    reasons = found.not_comparable_because
    for reason in ("rendered", "other classes: 6, ours 7", "split is not stated", "8 of 118 subjects"):
        assert reason in reasons
    assert "other classes" not in row(rows, "VGG-16", "CK+", "7 classes").not_comparable_because
    assert "not in this study" in row(rows, "Auto-FERNet", "CK+", "8 folds; 7 classes").not_comparable_because
    assert row(rows, "HiNet", "all", "complexity comparison").not_comparable_because == "not a method of fernas"


def test_nothing_stands_beside_ours_without_a_reason_here(rows: list[Any]) -> None:
    beside = [r for r in rows if r.ours != "-" and r.published != published.NOT_AVAILABLE and "accuracy" in r.metric]
    assert len(beside) >= 2 and all("rendered" in r.not_comparable_because for r in beside)
    assert rows[: len(beside)] and rows[0].ours != "-"


def test_what_is_not_known_is_said(rows: list[Any]) -> None:
    emonas = row(rows, "EmoNAS", "CK+", "")
    assert emonas.published == "not available" and emonas.ours != "-"


@pytest.mark.parametrize(
    ("setting", "classes", "split"),
    [
        ("8 folds; 7 classes", 7, "8 folds"),
        ("PrivateTest 7-class; single; no extra data", 7, "PrivateTest"),
        ("LOSO (as printed)", None, "LOSO"),
        ("first column, printed as 5-class", 5, None),
    ],
)
def test_settings_are_read(setting: str, classes: int | None, split: str | None) -> None:
    assert published.class_count(setting) == classes and published.split_of(setting) == split


def test_a_comparable_row_has_no_reason_and_another_split_is_one(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "official_subjects", lambda dataset, study: None)
    record = {"method": "Other", "dataset": "CK+", "metric": "accuracy", "setting": "4 folds; 7 classes"}
    ours = {
        "task": "ckplus-7n", "protocol": "kfold4", "method": "small_cnn", "dataset": "ckplus", "rendered": True,
        "folds": 4, "params": None, "extra_data": "False",
    }  # fmt: skip
    import json

    folds = tree[0] / "tasks/ckplus-7n-rendered/kfold4/folds.train.json"
    kept = folds.read_text()
    folds.write_text(json.dumps(json.loads(kept) | {"kind": "subject_kfold"}))
    reasons = published.reasons_against(record, ours, tree[0], tree[1], {})
    other = published.reasons_against({**record, "setting": "8 folds; 6 classes"}, ours, tree[0], tree[1], {})
    folds.write_text(kept)
    assert reasons == ["ours are rendered faces"]
    split = "other split: 8 folds, ours subject_kfold with 4 folds"
    assert other == ["ours are rendered faces", "other classes: 6, ours 7", split]


@pytest.fixture(scope="module")
def tables(rows: list[Any]) -> list[Table]:
    return published.published_tables(pd.DataFrame(rows))


def test_published_tables_are_written(tmp_path: Path, tables: list[Table]) -> None:
    csv, markdown, latex = tables[0].write(tmp_path)
    assert csv.read_text().splitlines()[0].split(",")[:4] == ["table", "dataset", "setting", "method"]
    assert "VGG-16" in markdown.read_text() and r"\begin{longtable}" in latex.read_text()


def test_every_table_of_the_papers_is_there(tmp_path: Path, tables: list[Table]) -> None:
    table = pd.read_csv(tables[1].write(tmp_path)[0], keep_default_na=False)
    assert list(dict.fromkeys(table["table"])) == published.ORDER
    rafdb = table[table["table"] == "EmoNAS 5"]
    assert list(rafdb["published"]) == ["87.28"]
    assert set(table.loc[table["table"] == "EmoNAS 2", "published"]) == {published.NOT_AVAILABLE}
    assert len(table[table["table"] == "Auto-FERNet I"]) > 20


def test_a_head_of_1000_classes_is_told_from_another_network(tree: Tree) -> None:
    sizes = {"vgg16": 138e6, "mobilenet_v2": 3.2e6, "emonas": 0.5e6}

    def reasons(method: str, params: int) -> list[str]:
        record = {"metric": "params", "setting": "", "dataset": "all"}
        return published.reasons_against(record, {"method": method, "params": params}, Path(), tree[1], sizes)

    assert published.reference_params("vgg16") == 138_357_544 and published.reference_params("emonas") is None
    assert reasons("vgg16", 134_289_223) == ["its head has 1000 classes: 138M parameters, ours 134M"]
    assert reasons("mobilenet_v2", 2_232_839) == ["other network: 3.20M parameters, ours 2.23M (3.50M at 1000 classes)"]
    assert reasons("emonas", 510_000) == [] and reasons("emonas", 43_000)[0].startswith("other network: 500k")


def test_ratios_and_sizes_have_our_numbers(tmp_path: Path) -> None:
    row = {"task": "t", "protocol": "p", "search_scope": "s", "status": "ok", "space": "emonas"}
    frame = pd.DataFrame(
        [
            row | {"method": "autofernet", "params": 2e6, "macs": 8e8},
            row | {"method": "emonas", "params": 5e5, "macs": 4e8},
            row | {"method": "deep_evolution", "params": 1e5, "macs": 1e6},
        ]
    )
    sides = {record["method"]: record for record in frame.to_dict("records")}

    def value(metric: str, method: str, table: pd.DataFrame = frame) -> str:
        return published.our_value(metric, sides[method], table, tmp_path)

    assert value("relative compute (approx)", "autofernet") == "2.00"
    assert value("relative compute (approx)", "autofernet", frame.iloc[:1]) == "-"
    assert value("model size (low end)", "emonas") == "2 MB" and value("params (approx)", "emonas") == "500k"
    assert value("number of candidate operations", "emonas") == "7"
    assert value("average parameter reduction", "deep_evolution") == "-"
    whole = pd.concat([frame, pd.DataFrame([row | {"method": "whole_face", "params": 2e6, "macs": 1e8}])])
    assert value("average parameter reduction", "deep_evolution", whole) == "95.0"
    assert value("example full-image parameters", "deep_evolution", whole) == "2.00M"
    assert value("speed (upper bound)", "emonas") == "-"
    (tmp_path / "tables").mkdir()
    measured = row | {"method": "emonas", "frames_per_s": 99.6, "device": "a processor"}
    pd.DataFrame([measured]).to_csv(tmp_path / "tables/complexity.csv", index=False)
    assert value("speed (upper bound)", "emonas") == "100 (a processor)"


def test_auto_fernets_numbers_stand_beside_the_way_that_they_were_reached() -> None:
    columns = ["dataset", "task", "protocol", "method", "recipe", "status", "reason", "folds"]
    rows = [
        ("fer2013", "fer2013-7", "official", "autofernet", "plain", "ok", "", 1),
        ("fer2013", "fer2013-7", "official", "autofernet_fes", "relabel", "ok", "", 1),
        ("ck48", "ck48-7c", "subject5", "autofernet_transfer", "finetune", "ok", "", 5),
        ("ck48", "ck48-7c", "ck48_blocks", "autofernet_transfer", "finetune", "ok", "", 10),
        ("ckplus", "ckplus-7n", "subject4", "autofernet", "relabel", "ok", "", 4),
        ("jaffe", "jaffe-7", "loso", "autofernet_transfer", "finetune", "ok", "", 10),
    ]
    frame = pd.DataFrame(rows, columns=columns)

    document = study_document()
    kinds = {"official": "official", "loso": "loso", "ck48_blocks": "ck48_blocks"}
    document["protocols"] = {name: {"kind": kinds.get(name, "subject_kfold")} for name in frame["protocol"].unique()}
    document["datasets"] = {name: {} for name in frame["dataset"]}
    task = {"classes": EMOTIONS, "view": "still"}
    document["tasks"] = {
        name: task | {"dataset": dataset} for _, dataset, name in frame[["dataset", "task"]].itertuples()
    }
    document["study"] = []
    study = study_of(document)

    def beside(method: str, dataset: str, setting: str, table: pd.DataFrame = frame) -> tuple[str, list[str]]:
        record = {"method": method, "dataset": dataset, "setting": setting}
        methods, datasets, _ = published.way_of(record)
        ours = published._our_row(table, methods, datasets, setting, study)
        assert ours is not None
        return "/".join((ours["dataset"], ours["protocol"], ours["method"])), published._way_reasons(record, ours)

    single = "PrivateTest 7-class; single"
    assert beside("Auto-FERNet", "FER2013", single) == ("fer2013/official/autofernet", [])
    assert beside("Auto-FERNet", "FER2013", "PrivateTest; README results table")[0] == "fer2013/official/autofernet_fes"
    assert beside("Auto-FERNet+Relabeling+FES", "FER2013", single) == ("fer2013/official/autofernet_fes", [])
    theirs = ["theirs is in the way of autofernet_relabel"]
    assert beside("Auto-FERNet+Relabeling", "FER2013", single) == ("fer2013/official/autofernet", theirs)
    assert beside("Auto-FERNet", "CK+", "10 folds; 7 classes") == ("ck48/ck48_blocks/autofernet_transfer", [])
    theirs = ["theirs is in the way of autofernet_transfer"]
    assert beside("Auto-FERNet", "CK+", "8 folds; 7 classes", frame[frame["dataset"] == "ckplus"])[1] == theirs
    assert beside("Auto-FERNet", "JAFFE", "LOSO (as printed)")[1] == ["theirs is in the way of autofernet_zero_shot"]
    relabelled = frame.assign(recipe="relabel")
    assert beside("Auto-FERNet", "FER2013", single, relabelled)[1] == ["other recipe: plain, ours relabel"]


def test_a_number_of_another_paper_is_in_no_table_of_the_two() -> None:
    assert published.table_of("EmoNAS (2021)", "Table 9") == "EmoNAS 9"
    assert published.table_of("Auto-FERNet (2021)", "Table II") == "Auto-FERNet II"
    assert published.table_of("Other", "Table 9") == published.table_of("Other", "Table II") == ""
