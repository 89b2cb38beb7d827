"""Evaluation mode: probabilities and scores of a network on a part."""

import functools
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fernas.core.errors import ScienceError
from fernas.learn.arrays import ArrayPart
from fernas.learn.augment import Augmenter, evaluation_view
from fernas.learn.config import AugmentConfig
from fernas.learn.passes import Passes
from fernas.metrics import confusion_scores

EVALUATION_BATCH = 64


def forward(net: nn.Module, images: Tensor, noses: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Logits (B, K) and the auxiliary head's, where there is one.

    A network with a true attribute `needs_noses` (face patches) is called with the nose tips (B, 2) as well.
    """
    out = net(images, noses) if getattr(net, "needs_noses", False) else net(images)
    return out if isinstance(out, tuple) else (out, None)


def network_inputs(
    part: ArrayPart, indices: np.ndarray, augment: Augmenter, generator: torch.Generator, device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """Augmented images (B, C, h, w) and nose tips moved along (B, 2) or None, on the device."""
    batch = part.batch(indices)
    _, height, width, _ = batch.shape
    draw = augment.draw(len(batch), height, width, generator)
    noses = part.noses_of(indices)
    moved = None if noses is None else augment.move_points(noses, draw, height, width)
    if moved is not None and augment.config.nose_jitter:
        moved = moved + (2 * torch.rand(moved.shape, generator=generator) - 1) * augment.config.nose_jitter
    return augment.apply(batch.to(device), draw), None if moved is None else moved.to(device)


@torch.no_grad()
def predict_logits(
    net: nn.Module, part: ArrayPart, augment: AugmentConfig, device: torch.device, batch: int = EVALUATION_BATCH
) -> Tensor:
    """Logits of all samples in evaluation mode, float64 (N, K) on the CPU; the network's mode is put back.

    Smaller passes follow where memory does not suffice, which changes the logits by rounding at most.
    """
    was_training = net.training  # put back below: callers go on training
    net.eval()
    logits: list[Tensor] = []
    passes = Passes(None, device)

    def compute(indices: np.ndarray, slices: list[slice]) -> list[Tensor]:
        images = evaluation_view(part.batch(indices).to(device), augment)
        noses = part.noses_of(indices)
        rows = []
        for cut in slices:
            out, _ = forward(net, images[cut], None if noses is None else noses[cut].to(device))
            rows.append(out.double().cpu())  # so that ensembles can take logarithms of small probabilities
        return rows

    for low in range(0, len(part), batch):
        indices = np.arange(low, min(low + batch, len(part)))
        logits += passes.run(len(indices), functools.partial(compute, indices))
    net.train(was_training)
    return torch.cat(logits)


def predict_probabilities(
    net: nn.Module, part: ArrayPart, augment: AugmentConfig, device: torch.device, batch: int = EVALUATION_BATCH
) -> np.ndarray:
    """Class probabilities of all samples in evaluation mode: float64 (N, K), rows sum to one."""
    return F.softmax(predict_logits(net, part, augment, device, batch), -1).numpy()


def evaluate(
    net: nn.Module, part: ArrayPart, augment: AugmentConfig, classes: int, device: torch.device
) -> dict[str, Any]:
    """`loss` (mean cross entropy) and every metric of the confusion matrix of a part, in evaluation mode.

    Raises:
        ScienceError: a logit is infinite or NaN.
    """
    logits = predict_logits(net, part, augment, device)
    if not bool(torch.isfinite(logits).all()):
        raise ScienceError("the network's logits became infinite or NaN in evaluation")
    labels = torch.from_numpy(part.labels)
    predictions = logits.argmax(1).numpy()
    return {
        "loss": float(F.cross_entropy(logits, labels)),
        **confusion_scores(part.labels, predictions, classes),
    }
