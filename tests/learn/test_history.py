from fernas.core.checkpoint import CheckpointStore
from fernas.core.io import read_jsonl
from fernas.core.run_log import RunLog
from fernas.learn.history import History, Snapshots


def test_rows_after_the_checkpoint_vanish_and_those_before_survive_lost_files(tmp_path):
    log = RunLog(tmp_path)
    log.start({})
    history = History(tmp_path / "training.jsonl", log)
    history.add({"epoch": 0}, loss=1.0)
    state = history.state()
    history.add({"epoch": 1}, loss=0.5)
    for name in ("training.jsonl", "metrics.jsonl"):
        (tmp_path / name).unlink()
    again = History(tmp_path / "training.jsonl", log)
    again.load(state)
    again.add({"epoch": 1}, loss=0.4, missing=None)
    assert read_jsonl(tmp_path / "training.jsonl") == [{"epoch": 0}, {"epoch": 1}]
    metrics = read_jsonl(tmp_path / "metrics.jsonl")
    assert [(row["step"], row["loss"]) for row in metrics] == [(0, 1.0), (1, 0.4)]
    assert "missing" not in metrics[1]


def test_saving_is_due_at_the_stores_interval_or_when_it_is_cheap(tmp_path):
    store = CheckpointStore(tmp_path, "key", every_s=1e9)
    snapshots = Snapshots(store, lambda: {"common": 1})
    assert snapshots.due()  # nothing is known of its cost yet
    snapshots.save({"job": 2})
    snapshots._took = 1e6
    assert not snapshots.due()
    store.every_s = 0.0
    assert snapshots.due()
    assert snapshots.load() == {"common": 1, "job": 2}


def test_nested_snapshots_save_beside_the_outer_state(tmp_path):
    snapshots = Snapshots(CheckpointStore(tmp_path, "key", every_s=0.0), lambda: {"common": 1})
    inner = snapshots.nested({"done": [3]}, "fit")
    assert inner.due()
    inner.save({"epoch": 4})
    assert snapshots.load() == {"common": 1, "done": [3], "fit": {"epoch": 4}}


def test_without_a_store_nothing_is_ever_due():
    snapshots = Snapshots(None)
    snapshots.save({"job": 2})
    assert snapshots.load() is None and not snapshots.due()
