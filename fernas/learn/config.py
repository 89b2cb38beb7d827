"""Options of augmentation and of fitting one network; importable without torch."""

from typing import Annotated, Literal

from pydantic import Field

from fernas.core.config import Strict


class Options(Strict):
    """Base of option models: unknown keys are refused, values do not change."""


Schedule = Annotated[
    Literal["cosine", "authors"],
    Field(
        description="learning rate of epoch e: cosine at e / epochs; authors: at (e + 1) / epochs, one epoch ahead, as "
        "the code of SGAS and Auto-FERNet runs"
    ),
]


class AugmentConfig(Options):
    """What happens to an image in training; in evaluation only the scaling to floats remains."""

    flip: bool = Field(default=True, description="mirror left and right with probability 1/2")
    padding: int = Field(default=4, ge=0, description="px added on each side before the random crop")
    crop: int | None = Field(
        default=None, ge=8, description="side of the random crop in px; null: the image's own size"
    )
    rotation_deg: float = Field(default=10.0, ge=0, le=45, description="largest rotation either way")
    brightness: float = Field(default=0.0, ge=0, lt=1, description="factor drawn from 1 -/+ this")
    contrast: float = Field(default=0.0, ge=0, lt=1, description="factor drawn from 1 -/+ this")
    nose_jitter: float = Field(
        default=0.0, ge=0, description="px by which nose tips move at random, for networks of face patches"
    )
    fill: Literal["edge", "zero"] = Field(default="edge", description="what lies outside the image")
    scale: Literal["symmetric", "unit", "standard"] = Field(
        default="symmetric", description="floats in [-1, 1], in [0, 1], or each image with mean 0 and deviation 1"
    )


class BatchOptions(Options):
    """How large a batch is."""

    batch: int = Field(default=64, ge=1, description="largest batch")
    batch_share: float = Field(
        default=0.25, gt=0, le=1, description="a batch is at most this share of the part, but not below 8"
    )


class FitConfig(BatchOptions):
    """How one network is trained from scratch, or from given weights."""

    epochs: int = Field(default=150, ge=1)
    batch: int = Field(default=96, ge=1, description="largest batch")
    optimiser: Literal["sgd", "adam"] = "sgd"
    lr: float = Field(default=0.025, gt=0)
    lr_min: float = Field(default=0.0, ge=0, description="where the cosine ends")
    schedule: Schedule = "cosine"
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=3e-4, ge=0)
    clip: float = Field(default=5.0, ge=0, description="largest norm of the gradient; 0: no clipping")
    drop_path: float = Field(default=0.2, ge=0, lt=1, description="probability reached at the last epoch")
    drop_path_start: float = Field(default=0.0, ge=0, lt=1, description="probability at the first epoch")
    aux_weight: float = Field(default=0.4, ge=0, description="weight of the auxiliary head's loss")
    class_weights: Literal["none", "balanced"] = "none"
    select: Literal["inner_validation", "last"] = Field(
        default="inner_validation",
        description="which epoch's weights count: best inner UAR (then lowest loss) or the last",
    )
    micro_batch: int | None = Field(
        default=None, ge=1, description="samples per pass; null: the whole batch, halved on out of memory"
    )
    augment: AugmentConfig = AugmentConfig()

    @property
    def all_epochs(self) -> int:
        """Most epochs of all trainings of one network."""
        return self.epochs


def effective_batch(options: BatchOptions, samples: int) -> int:
    """The batch size for a part of `samples`: `batch`, at most `batch_share` of the part, but not below 8."""
    return max(1, min(options.batch, max(8, int(samples * options.batch_share)), samples))


def batches_per_epoch(options: BatchOptions, samples: int) -> int:
    """How many batches one pass over a part takes."""
    return -(-samples // effective_batch(options, samples))


def crop_size(augment: AugmentConfig, height: int, width: int) -> tuple[int, int]:
    """The size that the network sees in training: the crop, or the image's own."""
    return (augment.crop, augment.crop) if augment.crop else (height, width)
