"""Augmentation of a whole batch of uint8 images with parameters per sample; also moves points along."""

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
        top, left: int64 (B,), the crop's corner in the padded image, px.
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
        """Draw the parameters for `count` images of (height, width) px; the generator is on the CPU."""
        cfg = self.config
        out_h, out_w = self.output_size(height, width)
        limits = height + 2 * cfg.padding - out_h + 1, width + 2 * cfg.padding - out_w + 1
        # All six are drawn whatever is switched on, so that an option changes no other parameter's stream.
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
        """(height, width) of the augmented images."""
        out_h, out_w = crop_size(self.config, height, width)
        if out_h > height + 2 * self.config.padding or out_w > width + 2 * self.config.padding:
            raise ValueError(f"augment.crop {self.config.crop} is larger than the padded image {height}x{width}")
        return out_h, out_w

    def __call__(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Augment uint8 (B, H, W, C) -> float32 (B, C, h, w) in channels_last, on the batch's device."""
        count, height, width, _ = batch.shape
        return self.apply(batch, self.draw(count, height, width, generator))

    def apply(self, batch: torch.Tensor, draw: Draw) -> torch.Tensor:
        """Augment uint8 (B, H, W, C) with given parameters -> float32 (B, C, h, w) in channels_last."""
        out = self._rotated(batch, draw) if self.config.rotation_deg else self._cropped(batch, draw)
        if self.config.brightness or self.config.contrast:
            self._jitter(out, draw)
        return _scale(out, self.config).contiguous(memory_format=torch.channels_last)

    def _cropped(self, batch: torch.Tensor, draw: Draw) -> torch.Tensor:
        """Flip and crop by copying pixels: exact; floats in [0, 255], channels_last."""
        height, width = batch.shape[1:3]
        out_h, out_w = self.output_size(height, width)
        pad = self.config.padding
        rows = draw.top[:, None] + torch.arange(out_h) - pad
        columns = draw.left[:, None] + torch.arange(out_w) - pad
        columns = torch.where(draw.flip[:, None], width - 1 - columns, columns)
        # One index_select for the whole batch; clamped indices repeat the edge, which is edge padding without a copy.
        first = torch.arange(len(batch))[:, None] * height + rows.clamp(0, height - 1)
        pixels = (first * width)[:, :, None] + columns.clamp(0, width - 1)[:, None, :]
        flat = batch.reshape(-1, batch.shape[3])
        out = flat.index_select(0, pixels.view(-1).to(batch.device)).view(len(batch), out_h, out_w, -1).float()
        if self.config.fill == "zero" and pad:
            inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
            out.mul_(inside[..., None].to(batch.device))
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
        # grid_sample's coordinates (align_corners=False): px p of a side s lies at (2 p + 1) / s - 1
        scale = torch.tensor([2 / width, 2 / height])
        x = (torch.arange(out_w) - (out_w - 1) / 2)[:, None] * (matrix[..., 0] * scale)[:, None, :]
        y = (torch.arange(out_h) - (out_h - 1) / 2)[:, None] * (matrix[..., 1] * scale)[:, None, :]
        y += ((2 * offset + 1) / torch.tensor([width, height]) - 1)[:, None]
        grid = y.to(batch.device)[:, :, None] + x.to(batch.device)[:, None]
        source = batch.permute(0, 3, 1, 2).float()
        mode = "border" if self.config.fill == "edge" else "zeros"
        return F.grid_sample(source, grid, mode="bilinear", padding_mode=mode, align_corners=False)

    def _jitter(self, images: torch.Tensor, draw: Draw) -> None:
        """Brightness b, then contrast c about the image's own mean m, in place on floats in [0, 255].

        c (b x) + (1 - c) b m is one multiply-add per value; the result is cut to [0, 255] once.
        """
        mean = images.mean((1, 2, 3))
        brightness, contrast = draw.brightness.to(images.device), draw.contrast.to(images.device)
        column = (-1, 1, 1, 1)
        images.mul_((brightness * contrast).view(column)).add_(((1 - contrast) * brightness * mean).view(column))
        images.clamp_(0, 255)

    def move_points(self, points: torch.Tensor, draw: Draw, height: int, width: int) -> torch.Tensor:
        """Where points (B, 2), (x, y) px of the source images, lie in the augmented ones."""
        matrix, offset = self._matrix(draw, height, width)
        out_h, out_w = self.output_size(height, width)
        centre = torch.tensor([(out_w - 1) / 2, (out_h - 1) / 2])
        # the matrix is orthogonal (a rotation and perhaps a mirror), so its inverse is its transpose
        return torch.einsum("bij,bi->bj", matrix, points - offset) + centre


def _scale(images: torch.Tensor, config: AugmentConfig) -> torch.Tensor:
    """Scale floats in [0, 255] as the config says, in place; one image is one entry of the first axis.

    `symmetric`: [-1, 1]; `unit`: [0, 1]; `standard`: each image by itself, over all its values, to mean 0 and
    standard deviation 1 (a constant image becomes zeros).
    """
    if config.scale == "symmetric":
        return images.mul_(1 / 127.5).sub_(1)
    if config.scale == "unit":
        return images.mul_(1 / 255)
    deviation, mean = torch.std_mean(images, (1, 2, 3), correction=0, keepdim=True)
    return images.sub_(mean).div_(deviation.clamp_min_(1e-3))


def evaluation_view(batch: torch.Tensor, config: AugmentConfig) -> torch.Tensor:
    """The deterministic view, the whole image: uint8 (B, H, W, C) -> float32 (B, C, H, W) in channels_last.

    Features (float32 already) stay as they are.
    """
    if batch.dtype == torch.float32:
        return batch.permute(0, 3, 1, 2)
    return _scale(batch.float(), config).permute(0, 3, 1, 2)
