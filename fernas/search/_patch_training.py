"""Training many tiny patch networks: images stay one uint8 tensor, patches of all samples are cut at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fernas.core.architecture import Architecture, PatchesArchitecture
from fernas.core.seeds import derive_seed
from fernas.learn.arrays import ArrayPart
from fernas.learn.batches import epoch_batches
from fernas.learn.config import effective_batch
from fernas.metrics import accuracy, uar
from fernas.search._patch_options import PatchTrainConfig
from fernas.spaces.complexity import count_parameters, macs
from fernas.spaces.networks import build_network
from fernas.spaces.patch_networks import PatchNetwork, WholeFaceNetwork
from fernas.spaces.patches import NOSE, Box, patch_macs

WORST_LOSS = 1e3


@dataclass(frozen=True)
class Images:
    """The samples of a part, ready for cutting.

    Attributes:
        pixels: uint8 (N * H * W, C).
        size: (N, H, W, C).
        noses: float32 (N, 2), nose tips (x, y) px, all known.
        shift, factor: float32 (N,): a pixel p becomes (p - shift) * factor.
        labels: int64 (N,).
    """

    pixels: Tensor
    size: tuple[int, int, int, int]
    noses: Tensor
    shift: Tensor
    factor: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Number of samples."""
        return self.size[0]

    def cut(self, box: Box, flip: Tensor | None = None, jitter: Tensor | None = None) -> Tensor:
        """One patch of every sample: float (N, C, h, w), channels_last, zeros outside of the image.

        As cutting from images that were mirrored where `flip` (N,) says, with noses moved by `jitter` (N, 2) px.
        """
        dx, dy, w, h = box
        count, height, width, channels = self.size
        x_nose, y_nose = self.noses[:, 0], self.noses[:, 1]
        if flip is not None:
            x_nose = torch.where(flip, width - 1 - x_nose, x_nose)
        if jitter is not None:
            x_nose, y_nose = x_nose + jitter[:, 0], y_nose + jitter[:, 1]
        device = self.pixels.device
        x = torch.floor(x_nose + (dx - (w - 1) / 2 + 0.5)).long()[:, None] + torch.arange(w, device=device)
        y = torch.floor(y_nose + (dy - (h - 1) / 2 + 0.5)).long()[:, None] + torch.arange(h, device=device)
        inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :]
        # outside pixels read the border first and become zero below, so that one gather serves all samples
        x, y = x.clamp_(0, width - 1), y.clamp_(0, height - 1)
        if flip is not None:
            x = torch.where(flip[:, None], width - 1 - x, x)
        first = torch.arange(count, device=device)[:, None] * height + y
        indices = ((first * width)[:, :, None] + x[:, None, :]).view(-1)
        patches = self.pixels.index_select(0, indices).view(count, h, w, channels).float()
        column = (-1, 1, 1, 1)
        patches.sub_(self.shift.view(column)).mul_(self.factor.view(column)).mul_(inside[..., None])
        return patches.permute(0, 3, 1, 2)

    def whole(self, flip: Tensor | None = None) -> Tensor:
        """The whole images, float (N, C, H, W), channels_last."""
        count, height, width, channels = self.size
        images = self.pixels.view(count, height, width, channels).float()
        column = (-1, 1, 1, 1)
        images.sub_(self.shift.view(column)).mul_(self.factor.view(column))
        if flip is not None:
            images = torch.where(flip.view(column), images.flip(2), images)
        return images.permute(0, 3, 1, 2)


def mean_nose(part: ArrayPart) -> np.ndarray:
    """The mean of the known nose tips of a part, float32 (2,); the standard face's where none is known."""
    _, height, width = part.input_shape
    standard = np.array([NOSE[0] * width - 0.5, NOSE[1] * height - 0.5], np.float32)
    if part.noses is None:
        return standard
    known = part.noses[np.isfinite(part.noses).all(1)]
    return known.mean(0, dtype=np.float64).astype(np.float32) if len(known) else standard


def images_of(part: ArrayPart, nose: np.ndarray, scale: str, device: torch.device | None = None) -> Images:
    """The samples of a part; unknown nose tips are `nose`, the mean of the weights part."""
    images = part.images
    count = len(images)
    noses = np.broadcast_to(nose, (count, 2)) if part.noses is None else part.noses
    noses = np.where(np.isfinite(noses).all(1, keepdims=True), noses, nose).astype(np.float32)
    shift, factor = np.full(count, 127.5, np.float32), np.full(count, 1 / 127.5, np.float32)
    if scale == "unit":
        shift, factor = np.zeros(count, np.float32), np.full(count, 1 / 255, np.float32)
    elif scale == "standard":
        flat = images.reshape(count, -1).astype(np.float64)
        shift = flat.mean(1).astype(np.float32)
        # the floor is for constant images, whose deviation is 0
        factor = (1 / np.maximum(flat.std(1), 1e-3)).astype(np.float32)
    pixels = torch.from_numpy(np.ascontiguousarray(images)).reshape(-1, images.shape[3])
    tensors = [torch.from_numpy(a) for a in (noses, shift, factor, part.labels)]
    if device is not None:
        pixels, tensors = pixels.to(device), [t.to(device) for t in tensors]
    return Images(pixels, images.shape, tensors[0], tensors[1], tensors[2], tensors[3])


class _Views:
    """What a network is fed with: its patches, or whole images for the whole-face network."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def of(self, images: Images, flip: Tensor | None = None, jitter: Tensor | None = None) -> list[Tensor]:
        if isinstance(self.net, PatchNetwork):
            return [images.cut(box, flip, jitter) for box in self.net.boxes]
        return [images.whole(flip)]

    def logits(self, views: list[Tensor]) -> Tensor:
        if isinstance(self.net, PatchNetwork):
            return self.net.from_patches(views)
        return self.net(views[0])


def fit_patches(net: PatchNetwork | WholeFaceNetwork, train: Images, config: PatchTrainConfig, seed: int) -> float:
    """Train a network in place with Adam for all epochs; returns the last epoch's mean loss.

    All randomness derives from (seed, epoch): the order, mirroring, jitter and dropout are the same for every genome.
    """
    views = _Views(net)
    count, _, width, _ = train.size
    device = train.pixels.device
    adam = torch.optim.Adam(net.parameters(), lr=config.lr, fused=True)
    batch = effective_batch(config, count)
    net.train()
    loss_sum = 0.0
    for epoch in range(config.epochs):
        torch.manual_seed(derive_seed(seed, "epoch", epoch))
        generator = torch.Generator().manual_seed(derive_seed(seed, "augment", epoch))
        # all three are drawn whatever is switched on, so that an option changes no other parameter's stream
        unit = torch.rand(3, count, generator=generator).to(device)
        flip = unit[0] < 0.5 if config.flip else None
        jitter = ((2 * unit[1:] - 1) * config.nose_jitter * width).T if config.nose_jitter else None
        # cut once per epoch for the whole part: batches then pick rows
        patches = views.of(train, flip, jitter)
        total = torch.zeros((), device=device)
        for indices in epoch_batches(count, batch, seed, epoch):
            rows = torch.from_numpy(indices).to(device)
            loss = F.cross_entropy(views.logits([p[rows] for p in patches]), train.labels[rows])
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
            total += loss.detach() * len(indices)
        # read once per epoch: on a GPU this waits for all steps
        loss_sum = float(total)
    return loss_sum / count


@torch.no_grad()
def score_patches(
    net: PatchNetwork | WholeFaceNetwork, images: Images, classes: int, covered: list[Tensor] | None = None
) -> dict[str, float]:
    """Accuracy, UAR and mean loss in evaluation mode; `covered` replaces the views (occlusion)."""
    net.eval()
    views = _Views(net)
    logits = views.logits(views.of(images) if covered is None else covered).double()
    loss = float(F.cross_entropy(logits, images.labels))
    truth, guess = images.labels.cpu().numpy(), logits.argmax(1).cpu().numpy()
    # a training that diverged ranks last instead of ending the search
    finite = bool(np.isfinite(loss))
    return {
        "accuracy": float(accuracy(truth, guess, classes)) if finite else 0.0,
        "uar": float(uar(truth, guess, classes)) if finite else 0.0,
        "loss": min(loss, WORST_LOSS) if finite else WORST_LOSS,
    }


def starting_network(arch: Architecture, seed: int, device: torch.device) -> Any:
    """A network with the starting weights of this seed."""
    torch.manual_seed(derive_seed(seed, "init"))
    return build_network(arch).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def evaluate_genome(
    arch: PatchesArchitecture, train: Images, selection: Images, classes: int, config: PatchTrainConfig, seed: int
) -> dict[str, Any]:
    """Train a genome's network on the weights part and score it on the selection part."""
    net = starting_network(arch, seed, train.pixels.device)
    train_loss = fit_patches(net, train, config, seed)
    return {
        **score_patches(net, selection, classes),
        "train_loss": train_loss if np.isfinite(train_loss) else WORST_LOSS,
        "params": count_parameters(net)[0],
        "macs": patch_macs(net.boxes, train.size[3], classes) if arch.form == "separate" else macs(arch),
    }
