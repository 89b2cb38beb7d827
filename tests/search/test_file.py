"""Cells of a file: published ones by name, own ones by path; what is wrong with a file is said before anything runs."""

import copy
import json

import pytest
from typer.testing import CliRunner

from fernas.cli.app import app
from fernas.core.architecture import read_architecture
from fernas.core.errors import ConfigError
from fernas.reporting.comparison import comparison
from fernas.reporting.statistics import is_clean
from fernas.search.file import PLUGIN, PUBLISHED, FileConfig
from fernas.search.run import SearchSpec, run_search
from fernas.study import Study
from fernas.workflow import params
from tests.fixtures.architectures import AUTOFERNET, EMONAS
from tests.fixtures.toy_searches import search_context
from tests.fixtures.toy_task import write_task
from tests.fixtures.workflow_folder import ROOT


@pytest.fixture
def document():
    """A study of the cells of a file on rendered FER2013."""
    return {
        "datasets": {"fer2013": {"source": "rendered"}},
        "views": {"still-grey48": {"kind": "still", "size": 48, "colour": "grey"}},
        "tasks": {
            "fer2013-7": {
                "dataset": "fer2013",
                "classes": ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"],
                "view": "still-grey48",
            }
        },
        "protocols": {"official": {"kind": "official", "groups": 1, "shards": 1}},
        "methods": {"mine": {"search": "file", "search_options": {"path": "autofernet"}}},
        "study": [{"task": "fer2013-7", "protocol": "official", "methods": ["mine"]}],
    }


def test_published_cells_are_files_at_the_top_of_the_project():
    names = ["autofernet", "darts_v1", "darts_v2", "pcdarts", "pdarts"]
    assert sorted(path.stem for path in (ROOT / "architectures").glob("*.json")) == names
    for name in names:
        assert (ROOT / "architectures" / f"{name}.json").samefile(PUBLISHED / f"{name}.json")
        origin = PLUGIN.architecture(FileConfig(path=name)).origin
        expected = ("fer2013", True) if name == "autofernet" else ("CIFAR-10", False)
        assert (origin.dataset, origin.test_split) == expected


def test_a_network_gets_the_cells_of_the_file_and_the_size_of_the_method(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({**EMONAS, "network": {"cells": 20, "channels": 36}}))
    context = search_context("file", None, tmp_path, options=FileConfig(path=str(tmp_path / "mine.json")))
    found = PLUGIN.run(context)
    assert json.loads(found.model_dump_json())["normal"] == EMONAS["normal"]
    assert (found.network.cells, found.network.channels, found.network.classes) == (3, 4, 3)
    assert context.budget.spent == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"normal": [["ghost", 0], *EMONAS["normal"][1:]]},
            r"normal\[0\]: the space 'emonas' has no operation 'ghost'",
        ),
        ({"reduce": [["sep_conv_3x4", 0], *EMONAS["reduce"][1:]]}, r"reduce\[0\].*did you mean 'sep_conv_3x3'"),
        ({"space": "emona"}, r"unknown name 'emona' \(did you mean 'emonas'\?\); known: autofernet, darts, emonas"),
        ({"space": "patches"}, r"unknown name 'patches'"),
        ({"normal": [["skip_connect", 5], *EMONAS["normal"][1:]]}, r"input must be in 0..1"),
        ({"kind": "cell"}, r"'cells'"),
        ({"extra": 1}, r"cells.extra: Extra inputs are not permitted"),
        ({"origin": {"paper": "x", "dataset": "y"}}, r"origin.test_split: Field required"),
    ],
)
def test_a_wrong_file_is_named(change, message, tmp_path, document):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**EMONAS, **change}))
    document["methods"]["mine"]["search_options"]["path"] = str(path)
    with pytest.raises(ConfigError, match=rf"methods.mine.search_options: path: .*mine.json.*{message}"):
        Study.parse(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"kind": "named", "name": "vgg16"}', "kind: got 'named', expected 'cells'"),
        ('{"kind": "patches", "face_px": 48, "patches": [{"dx": 0, "dy": 0, "w": 8, "h": 8}]}', "kind: got 'patches'"),
        ("{", "not valid json"),
    ],
)
def test_a_file_of_another_kind_is_named(text, message, tmp_path):
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        FileConfig(path=str(tmp_path / "mine.json"))


def test_a_missing_file_and_a_misspelt_name_are_named(document):
    document["methods"]["mine"]["search_options"]["path"] = "dart_v2"
    with pytest.raises(ConfigError, match=r"dart_v2: no such file \(did you mean 'darts_v2'\?\); expected"):
        Study.parse(document)
    document["methods"]["mine"] = {"search": "file", "space": "darts", "search_options": {"path": "darts_v2"}}
    with pytest.raises(ConfigError, match="the architecture file names its space; leave `space` out"):
        Study.parse(document)


def test_a_changed_file_searches_again(tmp_path, document):
    path = tmp_path / "mine.json"
    document["methods"]["mine"]["search_options"]["path"] = str(path)

    def section(cells):
        path.write_text(json.dumps(cells))
        return params.search_section(Study.parse(document), "mine")

    other = copy.deepcopy(AUTOFERNET)
    other["normal"][0][0] = "ghost"
    assert section(AUTOFERNET) == section(AUTOFERNET) != section(other)
    # the rule's script reads the same params
    spec = SearchSpec.of(section(other), "no_data", 0)
    folder = tmp_path / "run"
    assert run_search(write_task(tmp_path).job(folder, "search-mine", 5), spec) == "ok"
    assert read_architecture(folder / "architecture.json").normal[0] == ("ghost", 0)


def outside(document, origin, tmp_path, source="real", protocol="official", dataset="fer2013"):
    """What `cells_outside` says of cells of this origin on a dataset, and what stands in the comparison."""
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**EMONAS, **({"origin": origin} if origin else {})}))
    document["methods"]["mine"]["search_options"]["path"] = str(path)
    document["datasets"] = {dataset: {"source": source, **({"root": str(tmp_path)} if source == "real" else {})}}
    document["tasks"]["fer2013-7"]["dataset"] = dataset
    document["protocols"]["subject2"] = {"kind": "subject_kfold", "options": {"folds": 2}}
    document["study"][0]["protocol"] = protocol
    study = Study.parse(document).at(tmp_path / "results")
    texts = study.cells_outside("fer2013-7", protocol, "mine")
    row = comparison(tmp_path / "results", study).iloc[0]
    assert (row["extra_data"], row["leaks"]) == (texts[0] or "False", texts[1])
    return texts


def cells_from(dataset, test_split=False):
    return {"paper": "a paper", "dataset": dataset, "test_split": test_split}


CK48 = {"dataset": "ck48", "protocol": "subject2"}
SAW = "the search behind the file's cells saw these subjects"


@pytest.mark.parametrize(
    ("origin", "where", "expected"),
    [
        (cells_from("fer2013", True), {}, ("", f"{SAW}: fer2013, its test split included")),
        # as new to it as to a search of ours
        (cells_from("fer2013"), {}, ("", "")),
        (cells_from("fer2013"), {"protocol": "subject2"}, ("", f"{SAW}: fer2013")),
        # no synthetic face was searched on
        (cells_from("fer2013", True), {"source": "rendered"}, ("cells searched on fer2013", "")),
        (cells_from("CIFAR-10"), {}, ("cells searched on CIFAR-10", "")),
        (cells_from("ckplus"), CK48, ("cells searched on ckplus", f"{SAW}: ckplus")),
        (cells_from("fer2013", True), CK48, ("cells searched on fer2013", "")),
        (None, {}, ("cells of a file that names no dataset", "")),
    ],
)
def test_the_tables_say_what_the_search_behind_the_cells_saw(origin, where, expected, document, tmp_path):
    assert outside(document, origin, tmp_path, **where) == expected


def test_other_methods_bring_no_cells(document):
    document["methods"]["mine"] = {"search": "fixed", "search_options": {"name": "small_cnn"}}
    assert Study.parse(document).cells_outside("fer2013-7", "official", "mine") == ("", "")


def test_what_is_trained_on_a_files_cells_inherits_their_leak(document, tmp_path):
    document["datasets"]["fer2013"] = {"source": "real", "root": str(tmp_path)}
    start = {"task": "fer2013-7", "protocol": "official", "method": "mine", "scope": "no_data"}
    document["methods"]["tuned"] = {"search": "taken", "recipe": "finetune", "init_from": start}
    document["study"][0]["methods"].append("tuned")
    study = Study.parse(document).at(tmp_path / "results")
    rows = comparison(tmp_path / "results", study).set_index("method")
    saw = f"{SAW}: fer2013, its test split included"
    assert (rows.loc["mine", "leaks"], rows.loc["tuned", "leaks"]) == (saw, f"mine: {saw}")
    assert not is_clean(rows.loc["mine"].to_dict()) and not is_clean(rows.loc["tuned"].to_dict())
    (tmp_path / "study.yaml").write_text(json.dumps(document))
    listed = CliRunner().invoke(app, ["check", str(tmp_path / "study.yaml"), "--json"]).stdout
    assert [saw in text for text in json.loads(listed)["search_leaks"]] == [True, True]
