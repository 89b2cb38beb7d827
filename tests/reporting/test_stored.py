"""What a results folder holds, also in the middle of a study."""

from pathlib import Path

from fernas.reporting.stored import number, optional_json, optional_jsonl, run_costs, stored_run, stored_runs
from tests.reporting.conftest import Tree


def test_runs_are_found_by_their_folders(tree: Tree) -> None:
    runs = {run.key: run for run in stored_runs(tree[0])}
    emonas = runs["ckplus-7n-rendered/kfold4/emonas/per_group"]
    assert emonas.task == "ckplus-7n" and emonas.rendered
    assert [(s.search_seed, s.fold_group) for s in emonas.searches] == [(0, 0), (0, 1)]
    assert [(t.search_seed, t.train_seed) for t in emonas.trainings] == [(0, 0), (0, 1)]
    assert [shard.shard for shard in emonas.trainings[0].shards] == [0, 1]
    assert [stage for stage, _ in run_costs(emonas)] == ["search"] * 2 + ["training"] * 4


def test_a_run_of_the_study_is_the_one_on_disk(tree: Tree) -> None:
    stored = set(stored_runs(tree[0]))
    assert {stored_run(tree[0], run) for run in tree[1].runs()} == stored


def test_half_written_files_are_empty(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert optional_json(path) == {} and optional_jsonl(path) == [] and list(stored_runs(tmp_path)) == []
    path.write_text('{"a": 1')
    assert optional_json(path) == {}
    path.write_text("[1]")
    assert optional_json(path) == {}
    assert number({"a": True, "b": 2, "c": "3"}, "a", "b") == 2 and number({"c": "3"}, "c") is None
