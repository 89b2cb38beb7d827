"""Writing a rendered dataset: the root folder in one step, and the files that layouts write."""

import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fernas.core import images, plugins, seeds
from fernas.core.config import validate_section
from fernas.core.errors import DataError
from fernas.synth.geometry import CANVAS_PX
from fernas.synth.identity import Identity, cached_identity
from fernas.synth.layout import Layout, LayoutConfig, Progress
from fernas.synth.render import one_thread

RENDERED_NAME = "RENDERED.txt"
RENDERED_TEXT = """These images are RENDERED. No person was photographed and no licensed data went into them.

They were drawn from numbers by fernas (fernas/synth) in the on-disk layout of {title}, to run and test the software.
Scores on them say nothing about real faces and must never be printed as results on {title}.

dataset: {dataset}
seed: {seed}
options: {options}
"""
# openpyxl writes the time of saving, which would change the bytes of every run
_FIXED_TIME = "2000-01-01T00:00:00Z"


def render_dataset(name: str, out_dir: Path, config: dict[str, Any], progress: Progress | None) -> dict[str, Any]:
    """See `fernas.synth.write_dataset`; `name` is that of the layout."""
    layout: Layout = plugins.load("synth/layouts", name)
    options: LayoutConfig = validate_section(layout.Config, config, f"rendered options of {name}")
    _refuse_foreign(out_dir)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    # written beside the target and renamed as a whole: a killed run leaves the old dataset or none
    work = Path(tempfile.mkdtemp(prefix=f".{out_dir.name}-", dir=out_dir.parent))
    try:
        work.chmod(0o755)
        with one_thread():
            truth = layout.write(work, options, progress)
        facts = options.model_dump(mode="json")
        text = RENDERED_TEXT.format(title=name, dataset=name, seed=options.seed, options=facts)
        (work / RENDERED_NAME).write_text(text, encoding="utf-8", newline="\n")
        if out_dir.exists():
            shutil.rmtree(out_dir)
        work.rename(out_dir)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return {**truth, "config": facts}


def _refuse_foreign(out_dir: Path) -> None:
    if out_dir.exists() and (
        not out_dir.is_dir() or (any(out_dir.iterdir()) and not (out_dir / RENDERED_NAME).exists())
    ):
        raise DataError(f"{out_dir}: holds files that were not rendered; expected a new, empty or rendered folder")


def person(layout: str, config: LayoutConfig, index: int, canvas_px: int = CANVAS_PX) -> Identity:
    """The identity of the `index`-th subject: rendered datasets share subjects only where they share the layout."""
    return cached_identity(seeds.derive_seed(config.seed, layout, "subject", index), canvas_px, config.variety)


def write_image(path: Path, image: np.ndarray, quality: int = 95) -> None:
    """Write RGB (H, W, 3) or grey (H, W) into a dataset folder that is renamed as a whole at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(images.encode_image(image, path.suffix, quality))


def write_lines(path: Path, lines: Iterable[str], newline: str = "\n") -> None:
    """Write lines of text, each ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + newline for line in lines).encode("utf-8"))


def sci(value: float) -> str:
    """A number as the CK+ text files write it: three blanks, seven digits, an exponent."""
    return f"   {value:.7e}"


def write_xlsx(path: Path, sheets: dict[str, Sequence[Sequence[object]]]) -> None:
    """Write sheets of rows (None = empty cell) with the same bytes each time: the dates inside the file are fixed."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    buffer = io.BytesIO()
    book.save(buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        # order and times of the zip entries are fixed too: ZipInfo's default date is 1980
        for entry in sorted(source.namelist()):
            data = source.read(entry)
            if entry == "docProps/core.xml":
                data = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", _FIXED_TIME.encode(), data)
            target.writestr(zipfile.ZipInfo(entry), data, zipfile.ZIP_DEFLATED)


def write_video(path: Path, frames: Sequence[np.ndarray], fps: float) -> None:
    """Write RGB (H, W, 3) frames as a Motion-JPEG AVI.

    Raises:
        DataError: the installed OpenCV cannot write it.
    """
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    # OpenCV's built-in writer does not depend on the ffmpeg of an installation
    code = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, code, fps, (width, height))
    if not writer.isOpened():
        raise DataError(f"{path}: OpenCV cannot write Motion-JPEG AVI here")
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
