"""Face patches: boxes relative to the nose tip, what a network of them costs, and their drawing. No torch here.

A box (dx, dy, w, h) is centred at the nose tip plus (dx, dy), in pixels of a square aligned face. Its first column is
floor(x + dx - (w - 1) / 2 + 1/2), where x is the nose tip with pixel centres at whole numbers; rows likewise.
"""

import base64
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from xml.sax.saxutils import escape

import numpy as np

from fernas.core.architecture import Network, Patch, PatchesArchitecture
from fernas.core.errors import ConfigError

Box = tuple[int, int, int, int]  # dx, dy, w, h
Genome = tuple[Box, ...]

MAPS = (32, 64)  # of the two shared 3x3 convolutions, each followed by a 2x2 maximum
DENSE = 64
GRID = 4  # both maxima shrink a side by this; a side between two multiples costs as the next one
# The nose tip of the standard aligned face, as fractions of its side: the mean of the rendered faces that the mean face
# shows, from landmarks. It is where genomes are drawn and bounded; each image is cut at its own nose tip.
NOSE = (0.5, 0.596)
# Regions of that face, (x0, y0, x1, y1) as fractions of its side; ours, read off the mean face: eye centres at height
# 0.33, brows at 0.21, the base of the nose at 0.65, the line of the mouth at 0.80.
REGIONS: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "brows": ((0.16, 0.16, 0.44, 0.27), (0.56, 0.16, 0.84, 0.27)),
    "eyes": ((0.20, 0.27, 0.42, 0.40), (0.58, 0.27, 0.80, 0.40)),
    "nose": ((0.38, 0.40, 0.62, 0.69),),
    "mouth": ((0.30, 0.71, 0.70, 0.89),),
}


@dataclass(frozen=True)
class PatchSpace:
    """The space of patch networks; its bounds are options of the search."""

    name: str
    title: str


PLUGIN = PatchSpace("patches", "face patches relative to the nose tip")


@dataclass(frozen=True)
class PatchLimits:
    """Which genomes are legal on a face of `face_px`.

    Attributes:
        face_px: side of the square face.
        max_patches: most patches K.
        fixed_count: whether a genome has exactly K patches, or 1..K.
        sizes: legal sides in pixels, ascending.
        max_area: largest sum of the areas in pixels.
    """

    face_px: int
    max_patches: int
    fixed_count: bool
    sizes: tuple[int, ...]
    max_area: int

    def __post_init__(self) -> None:
        least = self.sizes[0] ** 2 * (self.max_patches if self.fixed_count else 1) if self.sizes else 0
        if not self.sizes or least > self.max_area:
            raise ConfigError(
                f"patches: no legal genome on {self.face_px} px: sides {list(self.sizes)}, {self.max_patches} patches, "
                f"at most {self.max_area} px in all; raise max_share or max_side, or lower max_patches"
            )

    @classmethod
    def of(
        cls, face_px: int, max_patches: int, fixed_count: bool, min_side: float, max_side: float, max_share: float
    ) -> "PatchLimits":
        """Limits from fractions of the face's side (sides) and of its area (`max_share`)."""
        low, high = min_side * face_px, max_side * face_px
        # with a tolerance, since fractions such as 1 / 12 of the face are not exact in floating point
        sizes = tuple(s for s in range(GRID, face_px + 1, GRID) if low - 1e-9 <= s <= high + 1e-9)
        return cls(face_px, max_patches, fixed_count, sizes, int(max_share * face_px**2 + 1e-9))

    def centres(self, side: int, axis: int) -> tuple[int, int]:
        """Smallest and largest dx (axis 0) or dy (axis 1) with which a box of this side lies in the standard face."""
        nose = NOSE[axis] * self.face_px - 0.5
        low = first_pixel(nose, 0, side)
        return -low, self.face_px - side - low

    def random_box(self, rng: np.random.Generator) -> Box:
        """A box, uniform over legal sizes, then over legal places."""
        w, h = (int(rng.choice(self.sizes)) for _ in range(2))
        dx, dy = (int(rng.integers(lo, hi + 1)) for lo, hi in (self.centres(w, 0), self.centres(h, 1)))
        return dx, dy, w, h

    def random_genome(self, rng: np.random.Generator) -> Genome:
        """A legal genome: a count (uniform where it varies), boxes, shrunk where their area is too large."""
        count = self.max_patches if self.fixed_count else int(rng.integers(1, self.max_patches + 1))
        return self.repair([self.random_box(rng) for _ in range(count)], rng)

    def repair(self, boxes: Sequence[Box], rng: np.random.Generator) -> Genome:
        """The nearest legal genome: sides and places clipped, no box twice, count and total area within the limits.

        The largest boxes lose first; only where nothing can shrink any more, boxes are dropped.
        """
        legal_boxes: list[Box] = []
        for box in boxes:
            legal = self._legal_box(box)
            if legal not in legal_boxes:  # two may have become one by clipping
                legal_boxes.append(legal)
        legal_boxes = legal_boxes[: self.max_patches]
        while len(legal_boxes) < (self.max_patches if self.fixed_count else 1):
            box = self.random_box(rng)
            if box not in legal_boxes:
                legal_boxes.append(box)
        legal_boxes = self._within_area(legal_boxes)
        distinct = tuple(sorted(set(legal_boxes), key=canonical_order))
        if self.fixed_count and len(distinct) < self.max_patches:  # two became one by shrinking
            return self.repair(distinct, rng)
        return distinct

    def _legal_box(self, box: Box) -> Box:
        dx, dy, w, h = box
        w, h = (self._nearest(side) for side in (w, h))
        (x0, x1), (y0, y1) = self.centres(w, 0), self.centres(h, 1)
        return min(max(dx, x0), x1), min(max(dy, y0), y1), w, h

    def _nearest(self, side: int) -> int:
        return min(self.sizes, key=lambda size: (abs(size - side), size))

    def _within_area(self, boxes: list[Box]) -> list[Box]:
        boxes = list(boxes)
        while area(boxes) > self.max_area:
            large = [i for i, box in enumerate(boxes) if max(box[2:]) > self.sizes[0]]
            if not large:
                boxes.pop()
                continue
            index = max(large, key=lambda i: (boxes[i][2] * boxes[i][3], -i))
            dx, dy, w, h = boxes[index]
            if w >= h:
                w = self.sizes[self.sizes.index(w) - 1]
            else:
                h = self.sizes[self.sizes.index(h) - 1]
            boxes[index] = self._legal_box((dx, dy, w, h))
        return boxes


def canonical_order(box: Box) -> tuple[int, int, int, int]:
    """From top to bottom, then from left to right: the same boxes are one genome, whatever their order was."""
    dx, dy, w, h = box
    return dy, dx, h, w


def first_pixel(nose: float, offset: int, side: int) -> int:
    """The first column (row) of a box of this side whose centre lies `offset` from the nose."""
    return int(np.floor(nose + offset - (side - 1) / 2 + 0.5))


def area(boxes: Sequence[Box]) -> int:
    """Sum of the boxes' areas in pixels."""
    return sum(w * h for _, _, w, h in boxes)


def pooled_area(boxes: Sequence[Box]) -> int:
    """Places of all maps after the two maxima."""
    return sum(-(-w // GRID) * -(-h // GRID) for _, _, w, h in boxes)


def patch_params(boxes: Sequence[Box], channels: int, classes: int) -> int:
    """Parameters of the network of these boxes: 256 a pixel, and a part that does not depend on them."""
    first, second = MAPS
    shared = (9 * channels + 1) * first + (9 * first + 1) * second
    return shared + pooled_area(boxes) * second * DENSE + DENSE + (DENSE + 1) * classes


def patch_macs(boxes: Sequence[Box], channels: int, classes: int) -> int:
    """Multiply-adds of one image's forward pass."""
    first, second = MAPS
    # the second convolution works on maps of half the side, rounded up
    halved = sum(-(-w // 2) * -(-h // 2) for _, _, w, h in boxes)
    convolutions = area(boxes) * 9 * channels * first + halved * 9 * first * second
    return convolutions + pooled_area(boxes) * second * DENSE + DENSE * classes


def whole_face(face_px: int) -> Genome:
    """The whole standard face as one box, for counting."""
    return ((0, 0, face_px, face_px),)


def to_architecture(genome: Genome, face_px: int, network: Network | None = None) -> PatchesArchitecture:
    """The architecture of a genome."""
    patches = tuple(Patch(dx=dx, dy=dy, w=w, h=h) for dx, dy, w, h in genome)
    return PatchesArchitecture(face_px=face_px, patches=patches, network=network)


def boxes_on(arch: PatchesArchitecture, height: int, width: int) -> Genome:
    """The boxes of an architecture in pixels of images of another size: places and sides in proportion, rounded."""
    sx, sy = width / arch.face_px, height / arch.face_px

    def side(length: int, scale: float) -> int:
        return max(1, int(np.floor(length * scale + 0.5)))

    def place(offset: int, scale: float) -> int:
        return int(np.floor(abs(offset) * scale + 0.5)) * (1 if offset >= 0 else -1)

    return tuple((place(p.dx, sx), place(p.dy, sy), side(p.w, sx), side(p.h, sy)) for p in arch.patches)


def corners(box: Box, face_px: int, nose: tuple[float, float] | None = None) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) of a box on the standard face, half-open pixels; `nose` (x, y) px replaces the standard tip."""
    dx, dy, w, h = box
    tip = nose or (NOSE[0] * face_px - 0.5, NOSE[1] * face_px - 0.5)
    x0, y0 = first_pixel(tip[0], dx, w), first_pixel(tip[1], dy, h)
    return x0, y0, x0 + w, y0 + h


# ---------------------------------------------------------------------------------------------------- drawing

COLOURS = ("#c4571b", "#0b7285", "#7b4fb5", "#2f7d32", "#a61e4d", "#5f6b00")
FACE_SIDE = 240
FONT = "font-family='system-ui, sans-serif'"
STYLE = (
    "<style>.fernas-arch .words{fill:#5f6670}@media (prefers-color-scheme:dark){.fernas-arch .words{fill:#b9bfc8}}"
    "</style>"
)


@functools.cache
def mean_face_address() -> str:
    """The mean of rendered aligned faces as a data address (made by tools/images.py)."""
    data = resources.files("fernas.spaces").joinpath("data", "mean_face.png").read_bytes()
    return "data:image/png;base64," + base64.b64encode(data).decode()


def draw(arch: PatchesArchitecture) -> str:
    """The patches on the mean face (of rendered faces), with their sizes beside it."""
    scale, pad = FACE_SIDE / arch.face_px, 12
    parts = [
        f"<clipPath id='face'><rect x='{pad}' y='{pad}' width='{FACE_SIDE}' height='{FACE_SIDE}' rx='8'/></clipPath>",
        f"<image href='{mean_face_address()}' x='{pad}' y='{pad}' width='{FACE_SIDE}' height='{FACE_SIDE}' "
        "clip-path='url(#face)' preserveAspectRatio='none'/>",
    ]
    left = pad + FACE_SIDE + 16
    lines = [(f"face of {arch.face_px} px", "600")]
    for number, patch in enumerate(arch.patches, start=1):
        box = (patch.dx, patch.dy, patch.w, patch.h)
        x0, y0, x1, y1 = (pad + scale * v for v in corners(box, arch.face_px))
        colour = COLOURS[(number - 1) % len(COLOURS)]
        parts.append(
            f"<rect x='{x0:g}' y='{y0:g}' width='{x1 - x0:g}' height='{y1 - y0:g}' fill='{colour}' fill-opacity='0.22' "
            f"stroke='{colour}' stroke-width='2'/>"
            f"<text x='{x0 + 4:g}' y='{y0 + 14:g}' font-size='13' font-weight='700' fill='#fff' stroke='{colour}' "
            f"stroke-width='3' paint-order='stroke' {FONT}>{number}</text>"
        )
        lines.append((f"{number}: {patch.w} x {patch.h} px at ({patch.dx:+d}, {patch.dy:+d})", "400"))
    nose = [pad + scale * (fraction * arch.face_px) for fraction in NOSE]
    parts.append(
        f"<path d='M{nose[0] - 6:g} {nose[1]:g}h12M{nose[0]:g} {nose[1] - 6:g}v12' stroke='#fff' stroke-width='2.5'/>"
        f"<path d='M{nose[0] - 5:g} {nose[1]:g}h10M{nose[0]:g} {nose[1] - 5:g}v10' stroke='#111' stroke-width='1.2'/>"
    )
    share = 100 * area([(p.dx, p.dy, p.w, p.h) for p in arch.patches]) / arch.face_px**2
    lines.append((f"{share:.1f} % of the face; cross: nose tip", "400"))
    for row, (text, weight) in enumerate(lines):
        y = pad + 16 + 20 * row
        parts.append(
            f"<text class='words' x='{left}' y='{y}' font-size='13' font-weight='{weight}' {FONT}>{escape(text)}</text>"
        )
    height = max(FACE_SIDE + 2 * pad, pad + 16 + 20 * len(lines))
    size = f"viewBox='0 0 {left + 230} {height}' width='{left + 230}' height='{height}'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' {size} role='img' class='fernas-arch'>"
    title = f"<title>{len(arch.patches)} face patches</title>"
    return "\n".join([head, title, STYLE, *parts, "</svg>", ""])
