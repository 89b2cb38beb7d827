from pathlib import Path

from fernas.core.io import append_jsonl
from fernas.reporting.images import swap_image
from fernas.reporting.relabelled import swap_log, swap_panels
from fernas.reporting.stored import RunFiles


def epoch(number, pairs, before=0, swapped=0, stored=0, again=0):
    return {
        "fold": 0, "kind": "epoch", "epoch": number, "swaps": sum(pairs.values()), "pairs": pairs,
        "swapped_before": before, "now_answered_as_swapped": swapped, "now_answered_as_stored": stored,
        "now_swapped_again": again,
    }  # fmt: skip


def make(tmp_path: Path) -> RunFiles:
    """Two shards of one training."""
    shards = [
        [
            epoch(0, {}),
            epoch(1, {"fear>surprise": 3, "sadness>neutral": 1}),
            epoch(2, {"fear>surprise": 1}, 4, 2, 1, 1),
        ],
        [epoch(0, {}), epoch(1, {"sadness>neutral": 1}), epoch(2, {}, 1, 1)],
    ]
    for number, rows in enumerate(shards):
        for row in rows:
            append_jsonl(tmp_path / f"s0/t0/shard{number}/relabel.jsonl", row)
    for answered in ("as stored", "as stored", "as swapped"):
        append_jsonl(tmp_path / "s0/t0/shard0/relabel.jsonl", {"kind": "sample", "answered": answered})
    return RunFiles("t-rendered", "p", "m", "no_data", tmp_path)


def test_swaps_are_summed_by_epoch_pair_and_fate(tmp_path: Path) -> None:
    log = swap_log(make(tmp_path))
    assert log is not None
    assert dict(log.swaps) == {0: 0, 1: 5, 2: 1}
    assert log.pairs["fear>surprise"] == {1: 3, 2: 1} and log.pairs["sadness>neutral"] == {1: 2}
    panels, words = swap_panels(log)
    assert panels[0].series["all"] == ([0.0, 1.0, 2.0], [0.0, 5.0, 1.0])
    assert list(panels[0].series)[1:] == ["fear>surprise", "sadness>neutral"]
    assert panels[1].series["as swapped"] == ([2.0], [3 / 5]) and panels[1].series["as stored"] == ([2.0], [1 / 5])
    assert "6 swaps" in words and "fear to surprise 4" in words and "2 as stored, 1 as swapped" in words


def test_the_image_says_it_in_words_and_other_methods_have_none(tmp_path: Path) -> None:
    image = swap_image("autofernet", make(tmp_path))
    assert image is not None and "6 swaps" in image.alt and image.source.startswith("data:image/svg")
    assert swap_image("plain", RunFiles("t", "p", "m", "s", tmp_path / "nothing")) is None
