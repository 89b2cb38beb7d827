"""Augmentation of a whole batch of uint8 pictures with parameters per sample; also moves points along."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from fernas.learn.config import AugmentConfig, crop_size


@dataclass(frozen=True)
class Draw:
    """The random parameters of one batch of B samples.

    Attributes:
        flip: bool (B,).
        top, left: int64 (B,), the crop's corner in the padded picture, px.
        angle: float32 (B,), radians, counter-clockwise as seen; zeros without rotation.
        brightness, contrast: float32 (B,), factors.
    """

    flip: torch.Tensor
    top: torch.Tensor
    left: torch.Tensor
    angle: torch.Tensor
    brightness: torch.Tensor
    contrast: torch.Tensor


class Augmenter:
    """Flip, random crop, small rotation, brightness and contrast on a batch."""

    def __init__(self, config: AugmentConfig) -> None:
        self.config = config

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Draw:
        """Draw the parameters for `count` pictures of (height, width) px; the generator is on the CPU."""
        cfg = self.config
        out_h, out_w = self.output_size(height, width)
        limits = height + 2 * cfg.padding - out_h + 1, width + 2 * cfg.padding - out_w + 1
        unit = torch.rand(6, count, generator=generator)
        return Draw(
            flip=(unit[0] < 0.5) if cfg.flip else torch.zeros(count, dtype=torch.bool),
            top=(unit[1] * limits[0]).long().clamp_(max=limits[0] - 1),
            left=(unit[2] * limits[1]).long().clamp_(max=limits[1] - 1),
            angle=(2 * unit[3] - 1) * math.radians(cfg.rotation_deg),
            brightness=1 + (2 * unit[4] - 1) * cfg.brightness,
            contrast=1 + (2 * unit[5] - 1) * cfg.contrast,
        )

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the augmented pictures."""
        out_h, out_w = crop_size(self.config, height, width)
        if out_h > height + 2 * self.config.padding or out_w > width + 2 * self.config.padding:
            raise ValueError(f"augment.crop {self.config.crop} is larger than the padded picture {height}x{width}")
        return out_h, out_w

    def __call__(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Augment uint8 (B, H, W, C) -> float32 (B, C, h, w) in channels_last, on the batch's device."""
        count, height, width, _ = batch.shape
        return self.apply(batch, self.draw(count, height, width, generator))

    def apply(self, batch: torch.Tensor, draw: Draw) -> torch.Tensor:
        """Augment uint8 (B, H, W, C) with given parameters -> float32 (B, C, h, w) in channels_last."""
        out = self._rotated(batch, draw) if self.config.rotation_deg else self._cropped(batch, draw)
        if self.config.brightness or self.config.contrast:
            out = self._jittered(out, draw)
        return scale_floats(out, self.config)

    def _cropped(self, batch: torch.Tensor, draw: Draw) -> torch.Tensor:
        """Flip and crop by copying rows: exact; floats in [0, 255], channels_last."""
        height, width = batch.shape[1:3]
        out_h, out_w = self.output_size(height, width)
        pad = self.config.padding
        rows = draw.top[:, None] + torch.arange(out_h) - pad
        columns = draw.left[:, None] + torch.arange(out_w) - pad
        columns = torch.where(draw.flip[:, None], width - 1 - columns, columns)
        index = torch.arange(len(batch))
        inside = ((rows >= 0) & (rows < height)), ((columns >= 0) & (columns < width))
        rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
        place = (index[:, None, None] * height + rows[:, :, None]) * width + columns[:, None, :]
        flat = batch.reshape(-1, batch.shape[3])
        out = flat.index_select(0, place.reshape(-1).to(batch.device)).view(len(batch), out_h, out_w, -1).float()
        if self.config.fill == "zero" and pad:
            mask = (inside[0][:, :, None] & inside[1][:, None, :]).to(batch.device)
            out = out * mask[..., None]
        return out.permute(0, 3, 1, 2)

    def _matrix(self, draw: Draw, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Output px -> source px: x_source = A (x_out - centre_out) + b; A (B, 2, 2), b (B, 2); (x, y) order."""
        out_h, out_w = self.output_size(height, width)
        sign = torch.where(draw.flip, -1.0, 1.0)
        cos, sin = torch.cos(draw.angle), torch.sin(draw.angle)
        matrix = torch.stack([torch.stack([sign * cos, -sign * sin], -1), torch.stack([sin, cos], -1)], -2)
        x = draw.left - self.config.padding + (out_w - 1) / 2
        y = draw.top - self.config.padding + (out_h - 1) / 2
        return matrix, torch.stack([torch.where(draw.flip, width - 1 - x, x), y.float()], -1)

    def _rotated(self, batch: torch.Tensor, draw: Draw) -> torch.Tensor:
        """Flip, crop and rotate in one bilinear sampling; floats in [0, 255], channels_last."""
        height, width = batch.shape[1:3]
        out_h, out_w = self.output_size(height, width)
        matrix, offset = self._matrix(draw, height, width)
        size = torch.tensor([width, height], dtype=torch.float32)
        # affine_grid's coordinates (align_corners=False): px p of a side s lies at (2 p + 1) / s - 1
        out_half = torch.tensor([out_w / 2, out_h / 2])
        theta = torch.cat([matrix * out_half / (size / 2)[:, None], ((2 * offset + 1) / size - 1)[..., None]], -1)
        grid = F.affine_grid(theta.to(batch.device), [len(batch), 1, out_h, out_w], align_corners=False)
        source = batch.permute(0, 3, 1, 2).float()
        mode = "border" if self.config.fill == "edge" else "zeros"
        return F.grid_sample(source, grid, mode="bilinear", padding_mode=mode, align_corners=False)

    def _jittered(self, images: torch.Tensor, draw: Draw) -> torch.Tensor:
        """Brightness, then contrast about the picture's own mean; floats in [0, 255]."""
        column = (-1, 1, 1, 1)
        images = images * draw.brightness.to(images.device).view(column)
        mean = images.mean((1, 2, 3), keepdim=True)
        return torch.lerp(mean, images, draw.contrast.to(images.device).view(column)).clamp_(0, 255)

    def move_points(self, points: torch.Tensor, draw: Draw, height: int, width: int) -> torch.Tensor:
        """Where points (B, 2), (x, y) px of the source pictures, lie in the augmented ones."""
        matrix, offset = self._matrix(draw, height, width)
        out_h, out_w = self.output_size(height, width)
        centre = torch.tensor([(out_w - 1) / 2, (out_h - 1) / 2])
        # the matrix is orthogonal (a rotation and perhaps a mirror), so its inverse is its transpose
        return torch.einsum("bij,bi->bj", matrix, points - offset) + centre


def scale_floats(images: torch.Tensor, config: AugmentConfig) -> torch.Tensor:
    """Scale floats in [0, 255] as the config says, in channels_last.

    `symmetric`: [-1, 1]; `unit`: [0, 1]; `standard`: each picture by itself, over all its values, to mean 0 and
    standard deviation 1 (a constant picture becomes zeros).
    """
    if config.scale == "standard":
        mean = images.mean((1, 2, 3), keepdim=True)
        deviation = images.std((1, 2, 3), correction=0, keepdim=True)
        images = (images - mean) / deviation.clamp_min(1e-3)
    else:
        images = images / 127.5 - 1 if config.scale == "symmetric" else images / 255
    return images.contiguous(memory_format=torch.channels_last)


def evaluation_view(batch: torch.Tensor, config: AugmentConfig) -> torch.Tensor:
    """The deterministic view, the whole picture: uint8 (B, H, W, C) -> float32 (B, C, H, W) in channels_last."""
    return scale_floats(batch.permute(0, 3, 1, 2).float(), config)
