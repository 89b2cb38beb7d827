"""Patches of a genome against the obvious form: PNG files, PIL crops one sample after another, a DataLoader.

`patch_batches`: one epoch of mirrored, standardised patches as float batches (target: 10 times). `patch_training`: the
whole evaluation of a genome, with the network's own arithmetic, which is the same on both sides.
Both sides: 160 grey faces of 48 px, three patches, batches of 32, one thread.
"""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset

from benchmarks._common import run_pair
from fernas.core.architecture import Network
from fernas.learn.arrays import ArrayPart
from fernas.learn.batches import epoch_batches
from fernas.search._patch_options import PatchTrainConfig
from fernas.search._patch_training import Images, evaluate_genome, images_of, mean_nose
from fernas.spaces.networks import build_network
from fernas.spaces.patches import NOSE, Genome, first_pixel, to_architecture

SAMPLES, SIZE, BATCH, CLASSES, EPOCHS = 160, 48, 32, 7, 3
GENOME: Genome = ((-9, -9, 8, 4), (9, -9, 8, 4), (0, 9, 12, 4))
CONFIG = PatchTrainConfig(epochs=EPOCHS, batch=BATCH, nose_jitter=0.0)


class Faces(Dataset):
    """One sample at a time: open, mirror, standardise, crop each patch."""

    def __init__(self, folder: Path, labels: np.ndarray, noses: np.ndarray) -> None:
        self.files, self.labels, self.noses = sorted(folder.glob("*.png")), labels, noses

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[list[torch.Tensor], int]:
        """The patches of a sample, (1, h, w) each, and its label."""
        image = Image.open(self.files[index])
        x, y = self.noses[index]
        if random.random() < 0.5:
            image, x = ImageOps.mirror(image), SIZE - 1 - x
        pixels = np.asarray(image, np.float32)
        mean, deviation = float(pixels.mean()), float(max(pixels.std(), 1e-3))
        patches = []
        for dx, dy, w, h in GENOME:
            x0, y0 = first_pixel(x, dx, w), first_pixel(y, dy, h)
            patch = np.asarray(image.crop((x0, y0, x0 + w, y0 + h)), np.float32)
            patches.append(torch.from_numpy((patch - mean) / deviation)[None])
        return patches, int(self.labels[index])


def our_batches(train: Images, epoch: int) -> Iterator[list[torch.Tensor]]:
    """One epoch as the search makes it."""
    flip = torch.rand(len(train)) < 0.5
    patches = [train.cut(box, flip) for box in GENOME]
    for indices in epoch_batches(len(train), BATCH, 1, epoch):
        rows = torch.from_numpy(indices)
        yield [patch[rows] for patch in patches]


def main(rounds: int = 7) -> None:
    """Both comparisons."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (SAMPLES, SIZE, SIZE, 1)).astype(np.uint8)
    labels = np.arange(SAMPLES) % CLASSES
    noses = (np.array(NOSE) * SIZE - 0.5 + rng.uniform(-2, 2, (SAMPLES, 2))).astype(np.float32)
    part = ArrayPart(images, np.arange(SAMPLES), labels, [str(i) for i in range(SAMPLES)], [""] * SAMPLES, noses)
    train = images_of(part, mean_nose(part), CONFIG.scale)
    arch = to_architecture(GENOME, SIZE, Network(classes=CLASSES, input=(1, SIZE, SIZE)))
    with tempfile.TemporaryDirectory() as folder:
        for index, image in enumerate(images):
            Image.fromarray(image[..., 0]).save(Path(folder) / f"{index:04d}.png")
        faces = Faces(Path(folder), labels, noses)
        loader = DataLoader(faces, BATCH, shuffle=True)

        def their_training() -> None:
            net = build_network(arch)
            adam = torch.optim.Adam(net.parameters(), lr=CONFIG.lr)
            for _ in range(EPOCHS):
                for patches, target in loader:
                    adam.zero_grad()
                    F.cross_entropy(net.from_patches(patches), target).backward()  # type: ignore[operator]
                    adam.step()
            net.eval()
            with torch.no_grad():
                for patches, _ in loader:
                    net.from_patches(patches)  # type: ignore[operator]

        run_pair("patch_batches", lambda: list(our_batches(train, 0)), lambda: list(loader), rounds, clock="cpu")
        run_pair(
            "patch_training",
            lambda: evaluate_genome(arch, train, train, CLASSES, CONFIG, 1),
            their_training,
            rounds,
            clock="cpu",
        )


if __name__ == "__main__":
    main()
