"""Augmentation of a batch of uint8 images against a PIL chain that takes them one by one (target: 5 times).

Both sides: mirror, random crop of 44 from 48 px padded by 4, brightness and contrast, to a float batch (24, 3, 44, 44).
`augment_batch_rotated` adds a rotation of up to 10 degrees, bilinear, on both sides.
"""

import random

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps

from benchmarks._common import run_pair
from fernas.learn.augment import Augmenter
from fernas.learn.config import AugmentConfig

BATCH, SIZE, PADDING, CROP, REPEATS = 24, 48, 4, 44, 50


def pil_sample(pixels: np.ndarray, rotation_deg: float) -> torch.Tensor:
    """One image through PIL, as a data set's transform does it."""
    image = Image.fromarray(pixels)
    if random.random() < 0.5:
        image = ImageOps.mirror(image)
    if rotation_deg:
        image = image.rotate(random.uniform(-rotation_deg, rotation_deg), Image.Resampling.BILINEAR)
    image = ImageOps.expand(image, PADDING)
    left, top = (random.randint(0, SIZE + 2 * PADDING - CROP) for _ in range(2))
    image = image.crop((left, top, left + CROP, top + CROP))
    image = ImageEnhance.Brightness(image).enhance(random.uniform(0.5, 1.5))
    image = ImageEnhance.Contrast(image).enhance(random.uniform(0.5, 1.5))
    array = torch.from_numpy(np.asarray(image).copy())
    return array.permute(2, 0, 1).float().div_(127.5).sub_(1)


def run(name: str, rotation_deg: float, rounds: int) -> dict:
    """One comparison at one thread."""
    images = np.random.default_rng(0).integers(0, 256, (BATCH, SIZE, SIZE, 3)).astype(np.uint8)
    batch = torch.from_numpy(images)
    config = AugmentConfig(padding=PADDING, crop=CROP, rotation_deg=rotation_deg, brightness=0.5, contrast=0.5)
    augment, generator = Augmenter(config), torch.Generator().manual_seed(0)

    def ours() -> None:
        for _ in range(REPEATS):
            augment(batch, generator)

    def other() -> None:
        for _ in range(REPEATS):
            torch.stack([pil_sample(image, rotation_deg) for image in images])

    return run_pair(name, ours, other, rounds, threads=1)


def main(rounds: int = 9) -> None:
    """Both comparisons."""
    torch.set_num_threads(1)
    run("augment_batch", 0.0, rounds)
    run("augment_batch_rotated", 10.0, rounds)


if __name__ == "__main__":
    main()
