"""The fast supernet equals the plain one, in float64, on the pure and on the compiled path."""

import contextlib
import functools

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from fernas.spaces.kernels import library, network
from fernas.spaces.supernet import make_supernet
from tests.fixtures.supernets import Case, errors, make_optimizers, outcome, search_step

DOUBLE = torch.float64
TOLERANCE = 1e-9
DECIDED = {
    "normal": {0: "skip_connect", 1: "ghost", 2: None, 3: "conv_3x3", 4: "max_pool_3x3", 6: "sep_conv_5x5"},
    "reduce": {0: None, 1: None, 2: "sep_conv_3x3", 3: "dil_conv_5x5", 4: None, 5: "skip_connect"},
}
ALL_DECIDED = {
    kind: {e: "skip_connect" if e % 2 else "sep_conv_3x3" for e in range(14)} for kind in ("normal", "reduce")
}
REMAINING = {
    "normal": {e: ("none", "skip_connect", "sep_conv_3x3") if e % 2 else ("max_pool_3x3",) for e in range(14)},
    "reduce": {e: ("skip_connect", "dil_conv_5x5", "avg_pool_3x3") for e in range(0, 14, 2)},
}
CASES = {
    "seven operations, two steps": Case("emonas", (10, 10), 16, steps=2, in_channels=3),
    "odd maps into a stride, C = 8": Case("emonas", (13, 10), 8),
    "eleven operations, C = 16": Case("autofernet", (11, 8), 16),
    "three nodes, stride-2 stem": Case("darts", (14, 14), 8, extra={"nodes": 3, "stem": "stride2"}),
    "decided edges": Case("autofernet", (12, 10), 8, decisions=DECIDED),
    "three operations left on an edge": Case("darts", (10, 10), 8, remaining=REMAINING),
    "all decided, no pool left": Case("emonas", (8, 8), 8, decisions=ALL_DECIDED),
}
LONG = {
    "8 cells, C = 16": Case("emonas", (16, 16), 16, cells=8, batch=4, steps=2, in_channels=3),
    "4 cells, wide odd maps": Case("emonas", (13, 22), 8, cells=4, steps=2),
    "five nodes": Case("emonas", (8, 8), 8, extra={"nodes": 5}),
    "C = 24": Case("darts", (8, 8), 24),
    "6 cells, eleven operations": Case("autofernet", (20, 20), 16, cells=6),
    "odd 5 px maps at the end": Case("emonas", (20, 20), 32, batch=3),
    "eleven operations, C = 6": Case("autofernet", (12, 12), 6),
    "eleven operations, C = 24": Case("autofernet", (12, 12), 24),
    "eleven operations, C = 32": Case("autofernet", (12, 11), 32),
}
SMALL = Case("emonas", (10, 10), 8, in_channels=3)
PURE_ONLY = {"eleven operations, C = 6", "eleven operations, C = 24"}
needs_kernels = pytest.mark.skipif(library.load(DOUBLE) is None, reason="no C++ compiler here")


@functools.cache
def reference(name):
    """What the plain form gives."""
    return outcome({**CASES, **LONG}[name], "plain")


def check(name, path, monkeypatch):
    """Compares, and makes sure that the path asked for is the path taken."""
    taken = []
    run_cells = network.run_cells
    monkeypatch.setattr(network, "run_cells", lambda *a: taken.append(1) or run_cells(*a))
    with library.disabled() if path == "pure" else contextlib.nullcontext():
        found = errors(outcome({**CASES, **LONG}[name], "fast"), reference(name))
    assert bool(taken) == (path == "compiled")
    assert max(found.values()) < TOLERANCE, found


PATHS = ["pure", pytest.param("compiled", marks=needs_kernels)]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("path", PATHS)
def test_the_fast_form_equals_the_plain_one(name, path, monkeypatch):
    check(name, path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("path", PATHS)
def test_the_fast_form_equals_the_plain_one_at_more_sizes(name, path, monkeypatch):
    check(name, "pure" if name in PURE_ONLY else path, monkeypatch)


@needs_kernels
@pytest.mark.slow
def test_the_branch_without_avx_512_is_equal(monkeypatch):
    monkeypatch.setenv("FERNAS_KERNELS_MARCH", "x86-64-v3")
    library._attempt.cache_clear()
    try:
        assert "x86-64-v3" in library.status()
        for name in ("seven operations, two steps", "odd maps into a stride, C = 8", "eleven operations, C = 16"):
            check(name, "compiled", monkeypatch)
    finally:
        library._attempt.cache_clear()


def gradients(net, x, y):
    """All gradients of one batch."""
    net.zero_grad()
    F.cross_entropy(net(x), y).backward()
    return [p.grad.clone() for p in net.parameters()]


@needs_kernels
@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_number_of_threads_gives_the_same_bits(threads):
    torch.manual_seed(0)
    net = make_supernet("autofernet", 3, 8, 1).double()
    x, y = torch.randn(5, 1, 12, 12).double(), torch.arange(5)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        first, second = gradients(net, x, y), gradients(net, x, y)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@needs_kernels
def test_float32_stays_near_float64():
    torch.manual_seed(0)
    net = make_supernet("emonas", 3, 8, 3)
    x, y = torch.randn(4, 3, 16, 16), torch.arange(4)
    single = gradients(net, x, y)
    double = gradients(net.double(), x.double(), y)
    for a, b in zip(single, double, strict=True):
        assert (a - b).abs().max() < 1e-3 * max(b.abs().max().item(), 1e-2)


def test_state_dictionaries_are_interchangeable():
    plain, fast = (SMALL.network(form) for form in ("plain", "fast"))
    assert list(plain.state_dict()) == list(fast.state_dict())
    plain.load_state_dict(fast.state_dict())


def test_two_forward_passes_before_their_backward_passes():
    """As the finite-difference product of second-order search may do it."""
    plain, fast = (SMALL.network(form) for form in ("plain", "fast"))
    a, b = torch.randn(2, 2, 3, 10, 10, dtype=DOUBLE)
    for net in (plain, fast):
        first, second = net(a).sum(), net(b).square().sum()
        (first + second).backward()
    for p, q in zip(plain.parameters(), fast.parameters(), strict=True):
        assert (p.grad - q.grad).abs().max() < 1e-9 * max(1.0, p.grad.abs().max().item())


def test_decisions_can_change_and_be_taken_back():
    plain, fast = (SMALL.network(form) for form in ("plain", "fast"))
    x = torch.randn(2, 3, 12, 12, dtype=DOUBLE)
    outputs = []
    for decided in ({}, {0: "skip_connect", 2: None}, {0: "skip_connect", 1: "avg_pool_3x3", 2: None}, {}):
        for net in (plain, fast):
            net.set_decisions("normal", decided)
        assert (plain(x) - fast(x)).abs().max() < 1e-9
        outputs.append(fast(x))
    assert not torch.allclose(outputs[0], outputs[1])
    assert torch.allclose(outputs[0], outputs[3])


def test_a_decided_edge_gets_no_gradient():
    net = make_supernet("emonas", 3, 8)
    net.set_decisions("normal", {0: "skip_connect", 2: None})
    net(torch.randn(2, 3, 12, 12)).sum().backward()
    assert not net.alpha_normal.grad[0].any() and not net.alpha_normal.grad[2].any()
    assert net.alpha_normal.grad[1].any()


def test_a_search_step_moves_alphas_and_weights():
    torch.manual_seed(0)
    net = make_supernet("emonas", 3, 8)
    optimizers = make_optimizers(net)
    before = [p.detach().clone() for p in net.parameters()]
    batch = torch.randn(4, 3, 12, 12), torch.arange(4)
    losses = [search_step(net, optimizers, batch, batch) for _ in range(3)]
    assert losses[-1][1] < losses[0][1]
    assert all(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    assert all(p.requires_grad for p in net.parameters())
