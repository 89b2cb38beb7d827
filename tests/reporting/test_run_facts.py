"""What the files of one run say."""

from fernas.core.io import write_json
from fernas.reporting.run_facts import constant_note, leaks, search_macs
from fernas.reporting.stored import RunFiles


def test_the_note_on_constant_predictions_names_the_class_or_counts_the_folds():
    varied = {"constant_predictor": False, "constant_folds": [], "folds": 4}
    assert constant_note([varied]) == ""
    folds = {**varied, "constant_folds": ["1", "3"]}
    assert constant_note([folds, varied]) == "one class for all samples in 2 of 8 folds"
    whole = {**folds, "constant_predictor": True, "top_prediction": {"class": "fear", "share": 1.0}}
    assert constant_note([whole, varied]) == "constant predictor in 1 of 2 seeds: fear"


def test_a_learning_rate_that_was_tried_and_not_kept_is_search(tmp_path):
    run = RunFiles("t-rendered", "p", "m", "no_data", tmp_path)
    write_json(tmp_path / "s0" / "g0" / "cost.json", {"macs": 5.0})
    write_json(tmp_path / "s0" / "g0" / "status.json", {"status": "ok"})
    for repetition, choice in ((0, 4.0), (1, 8.0)):
        for shard in (0, 1):
            folder = tmp_path / "s0" / f"t{repetition}" / f"shard{shard}"
            write_json(folder / "status.json", {"status": "ok"})
            write_json(folder / "cost.json", {"macs": 100.0, "choice_macs": choice})
    assert search_macs(run) == 5.0 + (2 * 4.0 + 2 * 8.0) / 2


def test_a_search_that_saw_test_subjects_is_a_leak_of_its_run(tmp_path):
    for scope in ("whole_dataset", "whole_matched", "published"):
        assert len(leaks(tmp_path, RunFiles("t", "p", "m", scope, tmp_path))) == 1
    for scope in ("per_group", "per_fold", "no_data"):
        assert leaks(tmp_path, RunFiles("t", "p", "m", scope, tmp_path)) == []
