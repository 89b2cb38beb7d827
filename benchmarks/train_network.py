"""Training a searched network: forward, loss, backward, clipping, SGD, against the same in NCHW plain modules.

One architecture of about half a million parameters (8 cells, 24 channels, the defaults of EmoNAS), 64 px RGB, batch 8,
drop path 0.1, one thread. `train_network` is what runs by default (compiled loops where a compiler is found), and
`train_network_pure` the same without them, in channels_last.
"""

import contextlib

import torch
import torch.nn.functional as F  # noqa: N812

from benchmarks._common import run_pair
from fernas.core.architecture import parse_architecture
from fernas.spaces import kernels
from fernas.spaces.complexity import count_parameters
from fernas.spaces.kernels import library
from fernas.spaces.networks import build_network, set_drop_path

ARCHITECTURE = {
    "kind": "cells",
    "space": "emonas",
    "normal": [
        ["sep_conv_3x3", 0], ["sep_conv_5x5", 1], ["dil_conv_3x3", 0], ["skip_connect", 1],
        ["dil_conv_5x5", 1], ["avg_pool_3x3", 2], ["sep_conv_3x3", 0], ["sep_conv_3x3", 3],
    ],
    "normal_concat": [2, 3, 4, 5],
    "reduce": [
        ["skip_connect", 0], ["sep_conv_5x5", 1], ["max_pool_3x3", 0], ["dil_conv_3x3", 1],
        ["avg_pool_3x3", 1], ["dil_conv_5x5", 0], ["skip_connect", 2], ["sep_conv_3x3", 1],
    ],
    "reduce_concat": [2, 3, 4, 5],
}  # fmt: skip
SIZE, BATCH, CLASSES = 64, 8, 7


class Training:
    """A network with its optimizer; a call is one training step on the next batch."""

    def __init__(self, kind: str) -> None:
        torch.manual_seed(0)
        arch = parse_architecture(ARCHITECTURE)
        self.kind = kind
        self.net = build_network(arch, classes=CLASSES, input_shape=(3, SIZE, SIZE), cells=8, channels=24)
        set_drop_path(self.net, 0.1)
        if kind != "plain":
            self.net = self.net.to(memory_format=torch.channels_last)
        self.sgd = torch.optim.SGD(self.net.parameters(), lr=0.025, momentum=0.9, weight_decay=3e-4)
        self.generator = torch.Generator().manual_seed(1)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """The plain side runs module by module in NCHW, as public code does."""
        if self.kind != "plain":
            return self.net(x.contiguous(memory_format=torch.channels_last))
        s0 = s1 = self.net.stem(x)
        for cell in self.net.cells:
            s0, s1 = s1, cell(s0, s1)
        return self.net.classifier(s1.mean((2, 3)))

    def __call__(self, steps: int = 4) -> None:
        with contextlib.nullcontext() if self.kind == "kernels" else kernels.disabled():
            for _ in range(steps):
                x = torch.randn(BATCH, 3, SIZE, SIZE, generator=self.generator)
                y = torch.randint(0, CLASSES, (BATCH,), generator=self.generator)
                self.sgd.zero_grad()
                F.cross_entropy(self.logits(x), y).backward()
                torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
                self.sgd.step()


def main(rounds: int = 7) -> None:
    """Both of our forms against the plain one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        plain = Training("plain")
        print(f"train_network: {count_parameters(plain.net)[0]:,} parameters, {kernels.status()}")
        if library.load() is not None:
            run_pair("train_network", Training("kernels"), plain, rounds, clock="cpu")
        name = "train_network_pure" if library.load() is not None else "train_network"
        run_pair(name, Training("pure"), plain, rounds, clock="cpu")
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    main()
