"""Every adapter of fernas/datasets holds the contract that the pipeline builds on."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fernas.core import plugins
from fernas.core.config import TaskConfig
from fernas.core.errors import ConfigError, DataError
from fernas.core.io import to_json
from fernas.datasets._base import Adapter, DatasetSpec, Options
from fernas.datasets.check import check_data
from fernas.datasets.frames import FrameReader
from fernas.datasets.manifest import build_manifest, merge_manifests, validate_manifest
from fernas.datasets.tasks import task_samples
from tests.fixtures.dataset_trees import trees

NAMES = plugins.available("datasets")
TREES = trees()
datasets = pytest.mark.parametrize("name", NAMES)
with_files = pytest.mark.parametrize("name", [n for n in NAMES if not plugins.load("datasets", n).spec.parts])


def manifest_of(name, root, **options):
    spec = plugins.load("datasets", name).spec
    if spec.parts:
        return merge_manifests(name, {part: build_manifest(part, root / part) for part in spec.parts}, options)
    return build_manifest(name, root, {**TREES[name].options, **options})


def test_every_adapter_has_a_tree_typed_by_hand():
    assert sorted(TREES) == sorted(NAMES)


@datasets
def test_it_describes_itself(name):
    adapter = plugins.load("datasets", name)
    spec = adapter.spec
    assert isinstance(adapter, Adapter) and isinstance(spec, DatasetSpec) and spec.name == name
    assert spec.kind in {"stills", "sequences", "clips"} and issubclass(adapter.Config, Options)
    assert len(set(spec.classes)) == len(spec.classes) and set(spec.counts) <= set(spec.classes)
    assert all((spec.licence, spec.citation, spec.homepage, spec.layout, spec.frame_rule, spec.protocol, spec.title))
    if spec.splits:
        assert sum(spec.splits.values()) == sum(spec.counts.values())
    assert set(spec.parts) <= set(NAMES) and name not in spec.same_people_as
    assert set(spec.same_people_as) <= set(NAMES)
    assert all(key.description for key in adapter.Config.model_fields.values())


@datasets
def test_its_tasks_are_valid_and_reach_only_known_classes(name):
    spec = plugins.load("datasets", name).spec
    assert spec.tasks or name == "custom"
    for title, task in spec.tasks.items():
        assert title.startswith(name)
        parsed = TaskConfig(dataset=name, view="v", **task)
        reachable = set(spec.labels_allowed) | {"neutral"} | set(parsed.label_map.values())
        assert set(parsed.classes) <= reachable and set(parsed.label_map) <= set(spec.labels_allowed)


@datasets
def test_manifest_of_the_small_tree(name, tmp_path):
    tree = TREES[name]
    tree.write(tmp_path)
    table = validate_manifest(manifest_of(name, tmp_path))
    spec = plugins.load("datasets", name).spec
    assert len(table) == tree.samples
    sources = set(spec.parts) or {name}
    assert set(table["dataset"]) == sources
    for row in table.to_dict("records"):
        assert row["sample_id"].startswith(row["dataset"] + "/")
        assert row["group"].startswith(row["dataset"] + "/")
        if isinstance(row["subject"], str):
            assert row["sample_id"].startswith(row["subject"] + "/")
    assert table["subject"].notna().all() or table["subject"].isna().all()
    usable = table[table["excluded"].isna()]
    assert usable["sha256"].str.fullmatch("[0-9a-f]{64}").all()
    assert not spec.classes or set(usable["label"]) <= set(spec.classes)


@datasets
def test_frames_can_be_read_by_their_references(name, tmp_path):
    TREES[name].write(tmp_path)
    table = manifest_of(name, tmp_path)
    parts = plugins.load("datasets", name).spec.parts
    reader = FrameReader({part: tmp_path / part for part in parts} or {name: tmp_path})
    for row in table[table["excluded"].isna()].to_dict("records"):
        for position in {0, len(row["frames"]) - 1, 0 if row["kind"] == "still" else int(row["apex"])}:
            frame = reader.read(row["dataset"], row["frames"][position])
            assert frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3 and min(frame.shape[:2]) >= 16
        points = reader.own_landmarks(row)
        assert points is None or (points.shape == (3, 2) and points[0, 0] < points[1, 0])


@datasets
def test_the_same_files_give_the_same_manifest_under_any_root(name, tmp_path, monkeypatch):
    TREES[name].write(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "zwei Kopien/Größe 2")
    first = manifest_of(name, tmp_path / "one")
    again = manifest_of(name, tmp_path / "zwei Kopien/Größe 2")
    assert first.astype(str).to_dict("list") == again.astype(str).to_dict("list")
    monkeypatch.chdir(tmp_path)
    assert list(manifest_of(name, Path("one"))["sample_id"]) == list(first["sample_id"])


@with_files
def test_wrapper_folders_and_left_overs_of_file_managers_change_nothing(name, tmp_path):
    TREES[name].write(tmp_path / "a")
    first = build_manifest(name, tmp_path / "a", TREES[name].options)
    for folder in [p for p in (tmp_path / "a").rglob("*") if p.is_dir()][:40]:
        for junk in ("Thumbs.db", ".DS_Store", "desktop.ini", "._img1.jpg", "._S005_001_00000001.png"):
            (folder / junk).write_bytes(b"\x00\x01")
    (tmp_path / "b/__MACOSX").mkdir(parents=True)
    if name != "custom":  # whose paths are relative to the root
        (tmp_path / "a").rename(tmp_path / "b/wrapper")
        again = build_manifest(name, tmp_path / "b", TREES[name].options)
    else:
        again = build_manifest(name, tmp_path / "a", TREES[name].options)
    for column in ("sample_id", "label", "excluded", "sha256", "onset", "apex", "offset"):
        assert again[column].astype(str).tolist() == first[column].astype(str).tolist(), column


@with_files
def test_upper_case_extensions_change_nothing(name, tmp_path):
    TREES[name].write(tmp_path)
    first = build_manifest(name, tmp_path, TREES[name].options)
    for path in sorted(tmp_path.rglob("*.*")):
        if path.is_file() and path.suffix.lower() in {".jpg", ".jpeg", ".png", ".bmp", ".tiff", ".txt", ".avi"}:
            path.rename(path.with_suffix(path.suffix.upper()))
    again = build_manifest(name, tmp_path, TREES[name].options)
    assert list(again["sample_id"]) == list(first["sample_id"]) and list(again["sha256"]) == list(first["sha256"])


@datasets
def test_its_own_tasks_give_samples(name, tmp_path):
    TREES[name].write(tmp_path)
    table = manifest_of(name, tmp_path)
    for task in plugins.load("datasets", name).spec.tasks.values():
        parsed = TaskConfig(dataset=name, view="v", rare="keep", **task)
        samples = task_samples(table, parsed)
        assert len(samples) and samples["sample_id"].is_unique
        assert set(samples["source_id"]) <= set(table["sample_id"])


@datasets
def test_check_data_is_json_with_the_promised_keys(name, tmp_path):
    TREES[name].write(tmp_path)
    found = json.loads(to_json(check_data(name, tmp_path, TREES[name].options)))
    assert {"dataset", "samples", "subjects", "classes", "splits", "problems", "fatal", "duplicates"} <= set(found)
    assert found["samples"] == sum(found["classes"].values()) > 0 and not found["fatal"]


@datasets
def test_unknown_option_absent_and_empty_root(name, tmp_path):
    with pytest.raises(ConfigError, match="no_such_option"):
        plugins.load("datasets", name).options({"no_such_option": 1})
    assert check_data(name, tmp_path / "absent")["fatal"]
    assert check_data(name, tmp_path)["fatal"]
    if plugins.load("datasets", name).spec.parts:
        return
    with pytest.raises(DataError):
        build_manifest(name, tmp_path / "absent")
    (tmp_path / "file.bin").write_bytes(b"\x00\xff" * 50)
    with pytest.raises(DataError):
        build_manifest(name, tmp_path / "file.bin")


def test_adapters_import_nothing_heavy():
    code = (
        "import sys\nfrom fernas.core import plugins\n"
        "for name in plugins.available('datasets'):\n    plugins.load('datasets', name).options({})\n"
        "heavy = {'torch', 'cv2', 'mlflow', 'dlib', 'pandas', 'scipy', 'h5py', 'openpyxl', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
