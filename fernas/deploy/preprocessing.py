"""How the images of a model were made: written with the model, and what a new image goes through before it is seen.

A dataset that ships crops has them taken whole in training, and neither their eye line nor their roll is that of an
aligned face. So the record holds where the eyes lie in these crops; a photograph is cropped like them.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from fernas.core import plugins
from fernas.core.config import FacesConfig, Strict, validate_section
from fernas.core.errors import ConfigError, DataError, unknown
from fernas.faces.geometry import HALF_PIXEL, to_aligned
from fernas.views.inputs import view_of

if TYPE_CHECKING:
    import pandas as pd

    from fernas.views._base import View

MAX_CLASSES = 1000
MAX_NAME = 200
MAX_MESSAGE = 400


class Crops(Strict):
    """The crops that datasets shipped, and where the eyes lie in them."""

    share: float = Field(gt=0, le=1, description="of the training images")
    width: tuple[int, int] = Field(description="smallest and largest, px")
    height: tuple[int, int] = Field(description="smallest and largest, px")
    aspect: tuple[float, float] = Field(description="smallest and largest width / height")
    eyes_found: int = Field(ge=0, description="crops with landmarks")
    eye_line: float | None = Field(gt=0, lt=1, description="median height of the eye line, 0 top to 1 bottom")
    eye_distance: float | None = Field(gt=0, lt=1, description="median eye distance, fraction of the width")

    def has_size(self, width: int, height: int) -> bool:
        """Whether an image could be one of them by its size, px."""
        ranges = ((width, self.width), (height, self.height), (width / height, self.aspect))
        return all(low <= value <= high for value, (low, high) in ranges)


class Preprocessing(Strict):
    """What an image goes through: `preprocessing.json`, and the metadata of an exported model."""

    classes: tuple[str, ...] = Field(min_length=2, max_length=MAX_CLASSES)
    scale: Literal["symmetric", "unit", "standard"]
    view: dict[str, Any]
    faces: FacesConfig
    crops: Crops | None = Field(description="the crops that the datasets shipped; null: every face was aligned")

    @field_validator("classes")
    @classmethod
    def _names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names) or not all(0 < len(name) <= MAX_NAME for name in names):
            raise ValueError(f"expected different names of 1 to {MAX_NAME} letters")
        return names

    @property
    def chosen_view(self) -> "tuple[View, Any]":
        """The view's plug-in and its options."""
        return view_of(self.view)

    @property
    def photo_faces(self) -> FacesConfig:
        """How the face in a photograph is aligned: as the crops lie where all training images were crops."""
        crops = self.crops if self.faces.crops == "shipped" else None
        if crops is None or crops.share < 1 or crops.eye_line is None or crops.eye_distance is None:
            return self.faces
        return self.faces.model_copy(update={"eye_line": crops.eye_line, "eye_distance": crops.eye_distance})


def read_preprocessing(document: Any, where: str) -> Preprocessing:
    """Check a record before anything that it asks for is loaded or made.

    Args:
        document: as json gives it.
        where: its file, for the message.

    Raises:
        DataError: it is no such record, or that of an earlier fernas; one line.
    """
    if isinstance(document, dict) and "classes" in document and "crops" not in document:
        raise DataError(
            f"{where}: made by an earlier fernas, which did not record how faces are cropped; expected a model made "
            "and exported again: snakemake --cores all final, then fernas export"
        )
    try:
        record: Preprocessing = validate_section(Preprocessing, document, where)
        kind, kinds = record.view.get("kind"), plugins.available("views")
        if kind not in kinds:
            raise unknown(f"{where}: view.kind", str(kind)[:MAX_NAME], kinds)
        plugin, _ = record.chosen_view
    except ConfigError as error:
        text = str(error).splitlines()[0].removeprefix(f"{where}: ")
        raise DataError(f"{where}: {text}"[:MAX_MESSAGE]) from error
    if plugin.holds_features:
        raise DataError(f"{where}: view {plugin.name} makes features, expected a view of images")
    return record


def read_card(document: Any, where: str) -> dict[str, Any]:
    """Check a model's card.

    Raises:
        DataError: it does not say whether the faces of the training were rendered.
    """
    if not isinstance(document, dict) or not isinstance(document.get("rendered"), bool):
        raise DataError(f"{where}: no card of a model, expected a mapping in which rendered is true or false")
    return document


def shipped_crops(source_ids: Iterable[str], faces: "pd.DataFrame") -> Crops | None:
    """What is known of the crops among the training images.

    Args:
        source_ids: the faces table's row of each training image.
        faces: the faces table of `fernas.faces.align`.

    Returns:
        Their share, sizes and median geometry (four decimals); None where no training image is a shipped crop.
    """
    used = faces.set_index("sample_id").loc[list(source_ids)]
    crops = used[used["status"] == "shipped"]
    if crops.empty:
        return None
    boxes = np.array(crops["box"].tolist(), np.float64)
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    with_eyes = crops[crops["landmarker"] != "none"]
    eyes = np.array([_eyes_in_crop(row) for row in with_eyes.to_dict("records")]).reshape(-1, 2, 2)
    across = np.hypot(*(eyes[:, 1] - eyes[:, 0]).T)
    return Crops(
        share=len(crops) / len(used),
        width=(int(widths.min()), int(widths.max())),
        height=(int(heights.min()), int(heights.max())),
        aspect=(float((widths / heights).min()), float((widths / heights).max())),
        eyes_found=len(eyes),
        eye_line=round(float(np.median(eyes[:, :, 1])), 4) if len(eyes) else None,
        eye_distance=round(float(np.median(across)), 4) if len(eyes) else None,
    )


def _eyes_in_crop(face: "dict[Any, Any]") -> np.ndarray:
    """The eye centres in the unit square of the crop, float64 (2, 2)."""
    transform = np.asarray(face["transform"], np.float64).reshape(2, 3)
    # `to_aligned` gives landmarks, half a pixel left of and above positions in the square (of one pixel)
    return to_aligned(transform, np.asarray(face["landmarks"], np.float64)[:4].reshape(2, 2)) + HALF_PIXEL
