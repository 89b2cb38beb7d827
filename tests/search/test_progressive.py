"""P-DARTS and PC-DARTS against examples worked by hand, on a space with two nodes (five edges) and three operations."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from fernas.core.config import NetworkConfig
from fernas.core.io import read_jsonl
from fernas.search._pcdarts import discretise_products
from fernas.search._pdarts import limit_skips, skip_dropout, strongest_operations
from fernas.search.pcdarts import PLUGIN as PCDARTS
from fernas.search.pdarts import PLUGIN as PDARTS
from fernas.search.pdarts import PdartsConfig, scaled
from fernas.spaces.cell_space import CellSpace
from fernas.spaces.operations import search_operation
from fernas.spaces.supernet import discretise, make_supernet
from fernas.spaces.supernet.partial import PartialMixedOp, PartialNetwork, edge_weights, shuffle
from fernas.spaces.supernet.plain import MixedOp
from tests.contract.test_search import context

SPACE = CellSpace("toy", "toy", ("none", "skip_connect", "sep_conv_3x3"), nodes=2)
# rows: edges 0 -> first node, 1 -> first; 0 -> second, 1 -> second, first -> second; columns: none, skip, sep
TABLE = torch.tensor(
    [[0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.2, 0.45, 0.35], [0.3, 0.42, 0.28], [0.1, 0.4, 0.5]], dtype=torch.float64
)
NORMAL = TABLE.log()
SKIP, SEP = "skip_connect", "sep_conv_3x3"


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


def test_skip_dropout_falls_to_zero():
    assert [skip_dropout(0.4, epoch, 4) for epoch in range(4)] == pytest.approx([0.4, 0.3, 0.2, 0.1])


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
    run = context("pdarts", "darts", tmp_path, options=PDARTS.Config(**options))
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


def test_dropout_stands_behind_identities_in_training_only():
    x = torch.ones(2, 4, 6, 6)
    mixed = MixedOp(("skip_connect",), 4, 1)
    torch.manual_seed(0)
    out = mixed(x, torch.ones(1), None, 0.5)
    assert set(out.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(mixed.eval()(x, torch.ones(1), None, 0.5), x)
    reducing = MixedOp(("skip_connect",), 4, 2)
    plain = reducing(x, torch.ones(1))
    assert torch.equal(reducing(x, torch.ones(1), None, 0.9), plain)


def test_dropout_reaches_both_forms_of_the_supernet():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 12, 12)
    outs = {}
    for form in ("plain", "fast"):
        torch.manual_seed(1)
        net = make_supernet("emonas", 3, 8, form=form)
        still = net(x)
        net.set_skip_dropout(0.6)
        torch.manual_seed(2)
        outs[form] = net(x)
        assert not torch.allclose(outs[form], still)
        net.set_skip_dropout(0.0)
        assert torch.allclose(net(x), still, atol=1e-5)


def test_shuffling_mixes_the_parts():
    x = torch.arange(8.0).view(1, 8, 1, 1)
    assert shuffle(x, 4).flatten().tolist() == [0, 2, 4, 6, 1, 3, 5, 7]


def test_a_quarter_of_the_channels_is_mixed_and_the_others_pass():
    x = torch.randn(2, 8, 5, 5)
    mixed = PartialMixedOp(("skip_connect", "none"), 8, 1, share=4)
    out = shuffle(mixed(x, torch.tensor([0.5, 0.5])), 2)  # undone: a shuffle by 2 after one by 4 of 8 channels
    assert torch.allclose(out[:, :2], 0.5 * x[:, :2]) and torch.equal(out[:, 2:], x[:, 2:])
    reducing = PartialMixedOp(("none",), 8, 2, share=4)
    out = shuffle(reducing(x, torch.ones(1)), 2)
    assert out.shape == (2, 8, 3, 3) and bool((out[:, :2] == 0).all())
    assert torch.equal(out[:, 2:], F.max_pool2d(x[:, 2:], 2, 2, ceil_mode=True))


def test_share_one_is_the_whole_mixed_operation():
    names = ("skip_connect", "sep_conv_3x3", "max_pool_3x3")
    torch.manual_seed(0)
    whole = MixedOp(names, 4, 2)
    part = PartialMixedOp(names, 4, 2, share=1)
    part.load_state_dict(whole.state_dict())
    x, weights = torch.randn(2, 4, 6, 6), torch.tensor([0.2, 0.5, 0.3])
    assert torch.allclose(part(x, weights), whole(x, weights))
    assert isinstance(search_operation("skip_connect", 4, 1), torch.nn.Identity)


def test_edge_weights_are_normalised_over_what_enters_a_node():
    beta = torch.tensor([1.0, 1.0, 0.0, 2.0, 1.0])
    found = edge_weights(beta)
    assert found[:2].tolist() == pytest.approx([0.5, 0.5])
    assert torch.allclose(found[2:], torch.softmax(beta[2:], 0))


def test_the_product_rule_of_pcdarts_worked_by_hand():
    # second node: best weights 0.45, 0.42, 0.5 times edges 0.1, 0.6, 0.3 = 0.045, 0.252, 0.15: edges 3 and 4
    beta = torch.tensor([0.5, 0.5, 0.1, 0.6, 0.3], dtype=torch.float64).log()
    found = discretise_products(SPACE, (NORMAL, NORMAL), (beta, torch.zeros(5)))
    assert found.normal == ((SKIP, 0), (SEP, 1), (SKIP, 1), (SEP, 2))
    assert found.reduce == discretise(SPACE, NORMAL, NORMAL).reduce  # equal edges: DARTS' rule


def test_every_number_of_the_architecture_gets_a_gradient():
    torch.manual_seed(0)
    net = PartialNetwork(SPACE, 3, 8, 3, 3)
    F.cross_entropy(net(torch.randn(4, 3, 16, 16)), torch.tensor([0, 1, 2, 0])).backward()
    assert len(net.alphas()) == 4
    for parameter in net.alphas():
        assert parameter.grad is not None and bool((parameter.grad != 0).all())
    assert sum(p.numel() for p in net.weights()) + sum(p.numel() for p in net.alphas()) == sum(
        p.numel() for p in net.parameters()
    )


def test_edges_are_in_the_history_and_channels_must_divide(tmp_path):
    from fernas.core.errors import ContractError

    run = context("pcdarts", "darts", tmp_path / "a", options=PCDARTS.Config(epochs=2, warmup_epochs=1, batch=8))
    PCDARTS.run(run)
    rows = read_jsonl(tmp_path / "a" / "search.jsonl")
    assert len(rows[1]["beta_normal"]) == 14 and rows[1]["beta_normal"] != rows[0]["beta_normal"]
    assert rows[0]["alpha_loss"] is None and rows[1]["alpha_loss"] > 0
    options = {"options": PCDARTS.Config(epochs=1, warmup_epochs=0, share=3)}
    with pytest.raises(ContractError, match="share"):
        PCDARTS.run(context("pcdarts", "darts", tmp_path / "b", **options))
