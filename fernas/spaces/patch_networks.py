"""Networks of face patches, their ablation, and the whole-face network with identical layers.

Two 3x3 convolutions (32 and 64 maps), each with ReLU and a 2x2 maximum, shared by all patches; the maps flattened and
concatenated; 64 dense units with ReLU and dropout; logits. Nearly all parameters sit in the dense layer, so that they
follow the area that the network sees: 256 a pixel.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fernas.core.architecture import PatchesArchitecture
from fernas.spaces.networks import NetworkShape
from fernas.spaces.patches import DENSE, GRID, MAPS, NOSE, Box, Genome, boxes_on, pooled_area

DROPOUT = 0.5


def trunk(in_channels: int) -> nn.Sequential:
    """The shared layers: an image (N, C, h, w) -> maps (N, 64, ceil(h / 4), ceil(w / 4))."""
    layers: list[nn.Module] = []
    for c_in, c_out in zip((in_channels, *MAPS), MAPS, strict=False):
        # rounded up, as `pooled_area` counts
        layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
    return nn.Sequential(*layers)


class Head(nn.Module):
    """Flattened maps -> 64 dense units -> logits."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, DENSE)
        self.dropout = nn.Dropout(DROPOUT)
        self.logits = nn.Linear(DENSE, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F) -> (N, classes)."""
        return self.logits(self.dropout(F.relu(self.dense(x))))


def cut(images: Tensor, noses: Tensor, box: Box) -> Tensor:
    """One patch of each image, relative to its nose tip; zeros outside of the image.

    Args:
        images: float (N, C, H, W).
        noses: float (N, 2), nose tips (x, y) px.
        box: (dx, dy, w, h) px.

    Returns:
        float (N, C, h, w), channels_last.
    """
    dx, dy, w, h = box
    count, channels, height, width = images.shape
    device = images.device
    x = torch.floor(noses[:, 0] + (dx - (w - 1) / 2 + 0.5)).long()[:, None] + torch.arange(w, device=device)
    y = torch.floor(noses[:, 1] + (dy - (h - 1) / 2 + 0.5)).long()[:, None] + torch.arange(h, device=device)
    inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :]
    first = torch.arange(count, device=device)[:, None] * height + y.clamp(0, height - 1)
    # one gather for the whole batch; pixels outside the image are read at its border, then set to zero
    place = (first * width)[:, :, None] + x.clamp(0, width - 1)[:, None, :]
    flat = images.permute(0, 2, 3, 1).reshape(-1, channels)
    pixels = flat.index_select(0, place.reshape(-1)).view(count, h, w, channels)
    return (pixels * inside[..., None]).permute(0, 3, 1, 2)


class PatchNetwork(nn.Module):
    """Patches at their native size through shared layers.

    Attributes:
        boxes: in pixels of the images.
        mean_nose: buffer, float (2,): stands in for nose tips that are not known; the train split's mean.
    """

    needs_noses = True
    mean_nose: Tensor

    def __init__(self, boxes: Genome, in_channels: int, classes: int, height: int, width: int) -> None:
        super().__init__()
        self.boxes = boxes
        self.features = trunk(in_channels)
        self.head = Head(pooled_area(boxes) * MAPS[-1], classes)
        # a buffer is stored with the weights, so that prediction needs no other file
        self.register_buffer("mean_nose", torch.tensor([NOSE[0] * width - 0.5, NOSE[1] * height - 0.5]))

    def set_mean_nose(self, noses: Any) -> None:
        """Take over the mean of a train split's known nose tips, float (N, 2); nothing where none is known."""
        if noses is None:
            return
        known = torch.as_tensor(noses, dtype=torch.float64)
        known = known[known.isfinite().all(1)]
        if len(known):
            self.mean_nose.copy_(known.mean(0).float())

    def cut(self, images: Tensor, noses: Tensor | None = None) -> list[Tensor]:
        """The patches of a batch, one tensor (N, C, h, w) per box."""
        if noses is None:
            noses = self.mean_nose.expand(len(images), 2)
        noses = torch.where(noses.isfinite().all(1, keepdim=True), noses, self.mean_nose)
        return [cut(images, noses, box) for box in self.boxes]

    def from_patches(self, patches: list[Tensor]) -> Tensor:
        """Logits (N, classes) from patches that are cut already."""
        return self.head(torch.cat([self.features(patch).flatten(1) for patch in patches], 1))

    def forward(self, images: Tensor, noses: Tensor | None = None) -> Tensor:
        """(N, C, H, W) and nose tips (N, 2) -> logits (N, classes)."""
        return self.from_patches(self.cut(images, noses))


class StackedPatchNetwork(PatchNetwork):
    """The ablation: all patches resized to one square and stacked as channels.

    Its parameters depend on the number of patches and on `resize_px` alone, so that every genome saves the same.
    """

    def __init__(self, boxes: Genome, in_channels: int, classes: int, height: int, width: int, resize_px: int) -> None:
        super().__init__(boxes, in_channels, classes, height, width)
        self.resize_px = resize_px
        self.features = trunk(in_channels * len(boxes))
        self.head = Head((-(-resize_px // GRID)) ** 2 * MAPS[-1], classes)

    def from_patches(self, patches: list[Tensor]) -> Tensor:
        """Logits from patches that are cut already."""
        side = (self.resize_px, self.resize_px)
        resized = [F.interpolate(p, side, mode="bilinear", align_corners=False) for p in patches]
        return self.head(self.features(torch.cat(resized, 1)).flatten(1))


class WholeFaceNetwork(nn.Module):
    """The baseline: the same layers on the whole image."""

    def __init__(self, in_channels: int, classes: int, height: int, width: int) -> None:
        super().__init__()
        self.features = trunk(in_channels)
        self.head = Head(-(-height // GRID) * -(-width // GRID) * MAPS[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, classes)."""
        return self.head(self.features(images).flatten(1))


def build(arch: PatchesArchitecture, shape: NetworkShape) -> PatchNetwork:
    """The network of an architecture of kind `patches` for images of `shape.input` (C, H, W)."""
    channels, height, width = shape.need("input")
    boxes = boxes_on(arch, height, width)
    if arch.form == "stacked":
        resize_px = arch.resize_px or max(GRID, arch.face_px // GRID)
        return StackedPatchNetwork(
            boxes, channels, shape.need("classes"), height, width, max(1, round(resize_px * height / arch.face_px))
        )
    return PatchNetwork(boxes, channels, shape.need("classes"), height, width)
