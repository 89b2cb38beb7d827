"""The rates of `fernas plan`: training steps of networks and steps of supernets, and the constants that fit them best.

`fernas.cli.rates` says what the constants mean. Prints measured beside planned seconds; nothing is recorded: copy what
you find into that module. One thread, processor time. `python -m benchmarks plan_rates`
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls

from benchmarks._search import CELLS, search_context
from fernas.cli import rates
from fernas.core.architecture import Architecture, NamedArchitecture, Network
from fernas.core.seeds import rng
from fernas.learn.arrays import ArrayPart
from fernas.learn.config import FitConfig
from fernas.learn.fit import fit
from fernas.search._darts import Darts
from fernas.spaces.complexity import supernet_macs, work
from fernas.spaces.networks import build_network
from fernas.spaces.sampling import random_architecture

STEPS = 3
NAMED = [  # network, side in px, batch
    ("small_cnn", 48, 14), ("small_cnn", 112, 32), ("whole_face", 96, 32), ("mobilenet_v2", 48, 32),
    ("mobilenet_v2", 112, 16), ("resnet18", 32, 16), ("resnet18", 112, 16), ("resnet50", 112, 16), ("vgg16", 112, 16),
]  # fmt: skip
CELL_NETWORKS = [  # space, channels, cells, stem, side in px, batch
    ("emonas", 8, 4, "stride2", 48, 14), ("emonas", 8, 4, "stride2", 48, 56), ("emonas", 24, 8, "stride2", 48, 24),
    ("emonas", 24, 8, "stride2", 112, 16), ("autofernet", 16, 8, "plain", 44, 24),
]  # fmt: skip
SUPERNETS = [("emonas", 48, 8), ("emonas", 64, 16), ("autofernet", 44, 24)]  # space, side in px, batch


def images(side: int, count: int) -> ArrayPart:
    """Random RGB images."""
    pixels = np.random.default_rng(1).integers(0, 256, (count, side, side, 3)).astype(np.uint8)
    return ArrayPart.of(pixels, np.arange(count) % 7)


def fastest(run: Callable[[], Any]) -> float:
    """Processor seconds of the fastest of three runs after one that is not counted."""
    run()
    times = []
    for _ in range(3):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def step_s(architecture: Architecture, side: int, batch: int) -> float:
    """Processor seconds of one training step."""
    net, part, nothing = build_network(architecture), images(side, STEPS * batch), images(side, 0)
    config = FitConfig(epochs=1, batch=batch, batch_share=1.0, select="last")
    cpu = torch.device("cpu")
    return fastest(lambda: fit(net, part, nothing, config=config, classes=7, seed=1, device=cpu)) / STEPS


def networks() -> list[tuple[str, Architecture, int, int]]:
    """(name, architecture, side, batch) of everything that is trained."""
    rows: list[tuple[str, Architecture, int, int]] = []
    for name, side, batch in NAMED:
        rows.append(
            (name, NamedArchitecture(name=name, network=Network(classes=7, input=(3, side, side))), side, batch)
        )
    for space, channels, cells, stem, side, batch in CELL_NETWORKS:
        block = Network(cells=cells, channels=channels, stem=stem, classes=7, input=(3, side, side))  # type: ignore[arg-type]
        rows.append(
            (f"{space} C{channels} x {cells}", random_architecture(space, rng(0, "plan", space, 0), block), side, batch)
        )
    return rows


def main() -> None:
    """Measures, prints, fits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    rows, seconds = [], []
    try:
        for name, architecture, side, batch in networks():
            size, measured = work(architecture), step_s(architecture, side, batch)
            planned = rates.training_s(size, batch, 1)
            print(f"{name:20} {side:4} px, batch {batch:3}: {measured:8.4f} s, planned {planned:8.4f} s", flush=True)
            rows.append([3 * size.macs * batch, size.outputs * batch, size.layers, size.params, 1.0])
            seconds.append(measured)
        for space, side, batch in SUPERNETS:
            engine = Darts(search_context("darts_first", space, (3, side, side), batch), torch.device("cpu"))
            measured = fastest(lambda engine=engine: engine.epoch(0))  # type: ignore[misc]
            macs = 6 * batch * supernet_macs(space, CELLS, engine.context.network.channels, (3, side, side))
            planned = rates.supernet_s(macs, 2 * CELLS, "darts_first", "fast")
            print(
                f"supernet {space:11} {side:4} px, batch {batch:3}: {measured:8.4f} s, planned {planned:8.4f} s",
                flush=True,
            )
    finally:
        torch.set_num_threads(before)
    # relative errors count, so that small networks weigh as much as large ones
    weights = 1 / np.array(seconds)
    best, _ = nnls(np.array(rows) * weights[:, None], np.ones(len(rows)))
    names = ("1 / RATE", "OUTPUT_S", "LAYER_S", "PARAMETER_S", "STEP_S")
    print("best fit: " + ", ".join(f"{name} {value:.3g}" for name, value in zip(names, best, strict=True)))


if __name__ == "__main__":
    main()
