"""Training of one found network of about 0.5 M parameters, 64 px, batch 8, against NCHW and plain modules.

Both sides: the same architecture (EmoNAS' space, 8 cells, 24 channels), the same batches of augmented pictures,
forward, backward, clipping and SGD. Ours is the loop that recipes use; the target is 1.6 times at one thread.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks._common import run_pair
from fernas.core.architecture import CellsArchitecture, Network
from fernas.learn.arrays import ArrayPart
from fernas.learn.batches import epoch_batches
from fernas.learn.config import FitConfig
from fernas.learn.fit import _Loop
from fernas.spaces.complexity import params
from fernas.spaces.networks import build_network, set_drop_path

SIZE, BATCH, STEPS = 64, 8, 2
CELL = (
    *(("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_5x5", 0), ("dil_conv_3x3", 2)),
    *(("skip_connect", 0), ("sep_conv_3x3", 1), ("dil_conv_5x5", 3), ("max_pool_3x3", 0)),
)
ARCHITECTURE = CellsArchitecture(
    space="emonas",
    normal=CELL,
    normal_concat=(2, 3, 4, 5),
    reduce=CELL,
    reduce_concat=(2, 3, 4, 5),
    network=Network(cells=8, channels=24, classes=7, input=(3, SIZE, SIZE)),
)


class Plain:
    """The training step as public code writes it."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.net = build_network(ARCHITECTURE).train()
        self.sgd = torch.optim.SGD(self.net.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
        set_drop_path(self.net, 0.1)

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        self.sgd.zero_grad()
        F.cross_entropy(self.net(images), labels).backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.sgd.step()


def main(rounds: int = 5, threads: int = 1) -> None:
    """One comparison; pictures are augmented by our batched code on both sides, so only the network differs."""
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    part = ArrayPart.of(
        rng.integers(0, 256, (STEPS * BATCH, SIZE, SIZE, 3)).astype(np.uint8), np.arange(STEPS * BATCH) % 7
    )
    torch.manual_seed(0)
    loop = _Loop(build_network(ARCHITECTURE).train(), part, FitConfig(batch=BATCH), 7, torch.device("cpu"))
    set_drop_path(loop.net, 0.1)
    plain, generator = Plain(), torch.Generator().manual_seed(0)
    print(f"train_network: {params(ARCHITECTURE):,} parameters", flush=True)

    def ours() -> None:
        for indices in epoch_batches(len(part), BATCH, 0, 0):
            loop.step(indices, generator, 0, None)

    def other() -> None:
        for indices in epoch_batches(len(part), BATCH, 0, 0):
            images = loop.augment(part.batch(indices), generator).contiguous()
            plain.step(images, torch.from_numpy(part.labels[indices]))

    run_pair("train_network", ours, other, rounds, threads)


if __name__ == "__main__":
    main()
