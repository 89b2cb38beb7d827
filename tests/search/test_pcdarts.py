"""PC-DARTS against examples worked by hand, on a space with two nodes (five edges) and three operations."""

import pytest
import torch

from fernas.core.io import read_jsonl
from fernas.search._pcdarts import discretise_products
from fernas.search.pcdarts import PLUGIN as PCDARTS
from fernas.spaces.supernet import discretise
from tests.fixtures.toy_searches import NORMAL, SEP, SKIP, SPACE, search_context


def test_the_product_rule_of_pcdarts_worked_by_hand():
    # second node: best weights 0.45, 0.42, 0.5 times edges 0.1, 0.6, 0.3 = 0.045, 0.252, 0.15: edges 3 and 4
    beta = torch.tensor([0.5, 0.5, 0.1, 0.6, 0.3], dtype=torch.float64).log()
    found = discretise_products(SPACE, (NORMAL, NORMAL), (beta, torch.zeros(5)))
    assert found.normal == ((SKIP, 0), (SEP, 1), (SKIP, 1), (SEP, 2))
    assert found.reduce == discretise(SPACE, NORMAL, NORMAL).reduce  # equal edges: DARTS' rule


def test_edges_are_in_the_history_and_channels_must_divide(tmp_path):
    from fernas.core.errors import ContractError

    run = search_context("pcdarts", "darts", tmp_path / "a", options=PCDARTS.Config(epochs=2, warmup_epochs=1, batch=8))
    PCDARTS.run(run)
    rows = read_jsonl(tmp_path / "a" / "search.jsonl")
    assert len(rows[1]["beta_normal"]) == 14 and rows[1]["beta_normal"] != rows[0]["beta_normal"]
    assert rows[0]["alpha_loss"] is None and rows[1]["alpha_loss"] > 0
    options = {"options": PCDARTS.Config(epochs=1, warmup_epochs=0, share=3)}
    with pytest.raises(ContractError, match="share"):
        PCDARTS.run(search_context("pcdarts", "darts", tmp_path / "b", **options))
