"""Options that the searches among patch networks share, and what they will spend; importable without torch."""

import functools
from typing import Literal

from pydantic import Field, model_validator

from fernas.core.architecture import Network, PatchesArchitecture
from fernas.core.seeds import rng
from fernas.learn.config import BatchOptions, Options
from fernas.search.context import PartSizes, SearchSize
from fernas.spaces.patches import GRID, Genome, PatchLimits, patch_macs, to_architecture

PATCHES_ONLY = "it searches face patches; its space is `patches`"
DRAWS = 400  # random genomes over which the expected cost of an evaluation is averaged


class PatchTrainConfig(BatchOptions):
    """The short training of a genome before it is scored; nothing else chooses, so that its last epoch counts."""

    epochs: int = Field(default=12, ge=1)
    batch: int = Field(default=32, ge=1, description="largest batch")
    lr: float = Field(default=1e-3, gt=0, description="Adam")
    flip: bool = Field(default=True, description="mirror left and right with probability 1/2")
    nose_jitter: float = Field(default=0.02, ge=0, lt=0.5, description="nose tips move by up to this, face sides")
    scale: Literal["symmetric", "unit", "standard"] = Field(
        default="standard", description="as in augment.scale: of the whole image, before patches are cut"
    )


class PatchSearchConfig(Options):
    """Which genomes are legal, how one is trained and what counts as good: shared by evolution and its random baseline.

    Lengths are fractions of the face's side, so that one set serves every view.
    """

    max_patches: int = Field(default=4, ge=1, le=16, description="most patches of a genome")
    count: Literal["variable", "fixed"] = Field(default="variable", description="1..max_patches, or exactly as many")
    min_side: float = Field(default=1 / 12, gt=0, le=1, description="shortest side of a patch (8 of 96 px)")
    max_side: float = Field(default=1 / 3, gt=0, le=1, description="longest side of a patch (32 of 96 px)")
    max_share: float = Field(default=0.06, gt=0, le=1, description="largest share of the face that all patches cover")
    form: Literal["separate", "stacked"] = Field(
        default="separate", description="stacked: the ablation, patches resized and stacked as channels"
    )
    resize_side: float = Field(
        default=1 / 4, gt=0, le=1, description="form stacked: side of a resized patch (24 of 96)"
    )
    score: Literal["accuracy", "uar"] | None = Field(
        default=None, description="on the selection part; null: accuracy for one objective, UAR for two"
    )
    size_penalty: float = Field(
        default=0.1, ge=0, description="lambda: fitness is the score less lambda x parameters / those of the whole face"
    )
    train: PatchTrainConfig = PatchTrainConfig()

    @model_validator(mode="after")
    def _sides(self) -> "PatchSearchConfig":
        if self.min_side > self.max_side:
            raise ValueError(f"min_side must not exceed max_side, got {self.min_side:g} and {self.max_side:g}")
        return self

    def architecture(self, genome: Genome, face_px: int, network: Network) -> PatchesArchitecture:
        """The architecture of a genome in this form."""
        architecture = to_architecture(genome, face_px, network)
        if self.form == "separate":
            return architecture
        resize_px = max(GRID, round(self.resize_side * face_px))
        return architecture.model_copy(update={"form": "stacked", "resize_px": resize_px})

    def limits(self, face_px: int) -> PatchLimits:
        """The legal genomes on a face of this side."""
        return PatchLimits.of(
            face_px, self.max_patches, self.count == "fixed", self.min_side, self.max_side, self.max_share
        )


def skip(space: str | None) -> str | None:
    """Why these searches make no sense on a space, or None."""
    return None if space == "patches" else PATCHES_ONLY


@functools.cache
def mean_macs(limits: PatchLimits, channels: int, classes: int) -> float:
    """Multiply-adds of an image's forward pass, the mean over random legal genomes (seeded)."""
    # a seed of its own: the budget is known before any search has one
    random = rng(0, "patches budget")
    return sum(patch_macs(limits.random_genome(random), channels, classes) for _ in range(DRAWS)) / DRAWS


def evaluation_macs(per_image: float, train: PatchTrainConfig, parts: PartSizes) -> float:
    """What one evaluation spends: training forward and backward, then the selection part forward."""
    return per_image * (3 * train.epochs * parts.weights + parts.selection)


def budget(options: PatchSearchConfig, evaluations: int, size: SearchSize) -> float:
    """Multiply-accumulates that a search is expected to spend: every evaluation costs what a random genome's does.

    A search that reaches smaller genomes, or the same ones again, spends less; its own meter counts exactly.
    """
    channels, height, _ = size.input_shape
    per_image = mean_macs(options.limits(height), channels, size.classes)
    return round(evaluations * evaluation_macs(per_image, options.train, size.parts))
