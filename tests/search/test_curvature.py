"""The dominant eigenvalue: known answers, and a search that goes on as if nobody had looked."""

import numpy as np
import pytest
import torch

from fernas.core.io import read_jsonl
from fernas.search._curvature import curvature, dominant_eigenvalue
from fernas.search._darts import Darts
from fernas.search.darts_first import PLUGIN
from tests.fixtures.toy_searches import STILL, darts_engine, search_context
from tests.fixtures.toy_task import part


def test_the_dominant_eigenvalue_of_a_quadratic_and_the_alphas_stay():
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.normal(size=(7, 7)))
    for largest in (5.0, -5.0):
        hessian = torch.from_numpy(basis @ np.diag([largest, 2, 1, 0.5, 0, -1, -2]) @ basis.T)
        parts = [torch.randn(3, dtype=torch.float64), torch.randn(2, 2, dtype=torch.float64)]
        before = [part.clone() for part in parts]

        def gradients(parts=parts, hessian=hessian):
            flat = hessian @ torch.cat([part.flatten() for part in parts])
            return [flat[:3], flat[3:].view(2, 2)]

        assert dominant_eigenvalue(parts, gradients, 40, 0) == pytest.approx(largest, rel=1e-6)
        assert all(torch.equal(part, old) for part, old in zip(parts, before, strict=True))
    assert dominant_eigenvalue(parts, lambda: [torch.zeros(3), torch.zeros(2, 2)], 5, 0) == 0


@pytest.mark.parametrize("form", ["plain", "fast"])
def test_looking_at_the_curvature_changes_nothing_but_the_budget(form, tmp_path):
    plain = darts_engine(Darts, tmp_path / "plain", form=form)
    looking = darts_engine(Darts, tmp_path / "looking", form=form, curvature_every=1, curvature_steps=2)
    for epoch in (0, 1):
        plain.epoch(epoch)
        looking.epoch(epoch)
        value = curvature(looking, 2)
        assert np.isfinite(value) and value != 0 and value == curvature(looking, 2)
    for one, other in zip(plain.net.state_dict().values(), looking.net.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert looking.context.budget.spent > plain.context.budget.spent


def test_a_search_writes_it_and_the_budget_knows_it_beforehand(tmp_path):
    options = PLUGIN.Config(
        epochs=3, batch=6, batch_share=1.0, augment=STILL, form="plain", curvature_every=2, curvature_steps=2
    )
    run = search_context(
        "darts_first", "emonas", tmp_path, options=options, weights=part(12, seed=1), selection=part(9, seed=2)
    )
    PLUGIN.run(run)
    rows = read_jsonl(run.history_path)
    assert ["eig_max" in row for row in rows] == [False, True, True]
    assert PLUGIN.budget(options, run.size) == run.budget.spent
