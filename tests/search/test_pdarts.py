"""P-DARTS against examples worked by hand, on a space with two nodes (five edges) and three operations."""

import pytest
import torch

from fernas.core.config import NetworkConfig
from fernas.core.io import read_jsonl
from fernas.search._pdarts import Progressive, skip_dropout, strongest_operations
from fernas.search.pdarts import PLUGIN as PDARTS
from fernas.search.pdarts import PdartsConfig, Stage, scaled
from fernas.spaces.supernet import discretise, limit_skips
from tests.fixtures.toy_searches import CPU, NORMAL, SEP, SKIP, SPACE, next_batches, search_context


def test_darts_rule_worked_by_hand():
    # first node: both edges, `none` does not count: skip (0.3), sep (0.7). Second: sep of edge 4 (0.5), skip of edge 2
    # (0.45) before skip of edge 3 (0.42)
    found = discretise(SPACE, NORMAL, NORMAL.flip(0))
    assert found.normal == ((SKIP, 0), (SEP, 1), (SKIP, 0), (SEP, 2))
    # flipped rows: first node sep 0.5, skip 0.42; second: skip 0.45, sep 0.7, skip 0.3 -> the first two
    assert found.reduce == ((SEP, 0), (SKIP, 1), (SKIP, 0), (SEP, 1))
    assert found.normal_concat == (2, 3)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, ((SKIP, 0), (SEP, 1), (SKIP, 0), (SEP, 2))),
        (2, ((SKIP, 0), (SEP, 1), (SKIP, 0), (SEP, 2))),
        # of the skips 0.3 and 0.45 the stronger stays; edge 0 then has sep with 0.1
        (1, ((SEP, 0), (SEP, 1), (SKIP, 0), (SEP, 2))),
        # both go: edge 2 falls to sep 0.35, so the skip of edge 3 (0.42) enters; it goes too and sep 0.35 is back
        (0, ((SEP, 0), (SEP, 1), (SEP, 0), (SEP, 2))),
    ],
)
def test_the_skip_limit_of_pdarts_worked_by_hand(limit, expected):
    found = limit_skips(SPACE, NORMAL, NORMAL, limit)
    assert found.normal == expected
    assert found.reduce == ((SKIP, 0), (SEP, 1), (SKIP, 0), (SEP, 2))  # not limited there


def test_the_operations_that_remain_worked_by_hand():
    kept = strongest_operations(SPACE, NORMAL, 2)
    assert kept == {0: ("none", SKIP), 1: (SKIP, SEP), 2: (SKIP, SEP), 3: ("none", SKIP), 4: (SKIP, SEP)}
    assert strongest_operations(SPACE, torch.zeros(1, 3), 1) == {0: ("none",)}  # of equals the earlier


def test_the_skip_limit_ends_where_an_edge_has_nothing_but_a_skip_left():
    alphas = torch.full_like(NORMAL, -1e4)
    alphas[:, SPACE.operations.index(SKIP)] = 0.0
    assert sum(name == SKIP for name, _ in limit_skips(SPACE, alphas, alphas, 1).normal) == 1


def test_skip_dropout_falls_to_zero():
    options = PdartsConfig(epochs=4, warmup_epochs=2)
    assert [skip_dropout(0.4, epoch, options) for epoch in range(4)] == pytest.approx([0.4, 0.3, 0.2, 0.1])


def test_skip_dropout_of_the_released_code_rises_again_with_the_alphas_first_epoch():
    options = PdartsConfig(skip_dropout_decay="authors")  # 25 epochs, the first 10 for the weights
    assert skip_dropout(0.7, 9, options) == pytest.approx(0.7 * 16 / 25)
    assert skip_dropout(0.7, 10, options) == 0.7
    assert skip_dropout(0.7, 20, options) == pytest.approx(0.095, abs=5e-4)
    ours = PdartsConfig()
    assert skip_dropout(0.7, 10, ours) == pytest.approx(0.42) and skip_dropout(0.7, 20, ours) == pytest.approx(0.14)


def test_the_rate_of_pdarts_ends_at_zero():
    assert PdartsConfig().lr_min == 0.0


@pytest.mark.parametrize(("clip", "acts"), [(5.0, False), (1e-4, True)])
def test_the_gradient_of_the_alphas_is_clipped(clip, acts, tmp_path):
    run = search_context("pdarts", "emonas", tmp_path, options=PdartsConfig(epochs=1, batch=8, clip=clip))
    run.open()
    engine = Progressive(run, Stage(0, 3, 7, 0.0), {}, CPU)
    engine.alpha_gradients(*next_batches(engine))
    norm = sum(float(alpha.grad.square().sum()) for alpha in engine.net.alphas()) ** 0.5
    assert norm == pytest.approx(clip, rel=0.02) if acts else 1e-3 < norm < clip


def test_depths():
    network = NetworkConfig(cells=17)
    assert scaled(17) == (5, 11, 17) and scaled(4) == (3, 3, 4) and scaled(8) == (3, 5, 8)
    stages = PdartsConfig().stages(network, "darts")
    assert [(s.cells, s.operations, s.skip_dropout) for s in stages] == [(5, 8, 0.0), (11, 5, 0.4), (17, 3, 0.7)]
    assert [s.operations for s in PdartsConfig().stages(network, "emonas")] == [7, 5, 3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"depths": [5, 11]},
        {"operations": [3, 5]},
        {"operations": [8, 5, 3]},
        {"skip_dropout": [0, 0, 1.0]},
        {"depths": [0, 1, 2]},
    ],
)
def test_nonsense_about_stages_is_refused(wrong):
    with pytest.raises(ValueError):
        PdartsConfig(**wrong)


def test_a_dropped_operation_never_comes_back(tmp_path):
    options = {"epochs": 2, "warmup_epochs": 1, "depths": [3, 3, 3], "batch": 8, "alpha_lr": 0.1, "max_skips": 0}
    run = search_context("pdarts", "darts", tmp_path, options=PDARTS.Config(**options))
    found = PDARTS.run(run)
    rows = read_jsonl(tmp_path / "search.jsonl")
    assert [(row["epoch"], row["stage"], row["operations"]) for row in rows] == [
        (0, 0, 8), (1, 0, 8), (2, 1, 5), (3, 1, 5), (4, 2, 3), (5, 2, 3),
    ]  # fmt: skip
    assert rows[2]["skip_dropout"] == 0.4 and rows[3]["skip_dropout"] == pytest.approx(0.2)
    for before, after in ((rows[1], rows[2]), (rows[3], rows[4])):
        for kind in ("alpha_normal", "alpha_reduce"):
            for old, new in zip(before[kind], after[kind], strict=True):
                left = [value for value in new if value > -9000]
                assert len(left) == after["operations"]
                gone = [o for o, value in enumerate(new) if value < -9000]
                assert all(old[o] <= min(old[i] for i in range(8) if i not in gone) for o in gone)
    assert all(name != SKIP for name, _ in found.normal)
    assert rows[4]["spent_macs"] - rows[3]["spent_macs"] < rows[2]["spent_macs"] - rows[1]["spent_macs"]
