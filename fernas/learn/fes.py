"""FES, the facial-expression similarity of Auto-FERNet, from the votes of several annotators per image.

    FES(i, j) = 1/n sum over images of [v_i > 0 and v_j > 0] min(v_i, v_j) / max(v_i, v_j),   FES(i, i) = 1

with v_c the votes of an image for class c and n the number of images. It is large for expressions that the same
images are often taken for. `python -m fernas.learn.fes` writes the committed matrices anew from the committed
votes of FER+ (MIT licence beside them); `--votes FILE --out FILE` makes one for another dataset.
"""

import argparse
import gzip
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from fernas.core.errors import ConfigError, DataError
from fernas.core.io import write_text

if TYPE_CHECKING:
    import pandas as pd

DATA = Path(__file__).parent / "data"
VOTES = DATA / "fer2013new.csv.gz"  # the file of FER+ as its authors publish it, compressed
VOTES_SHA256 = "9206e20d62f56475939f516847d61753e4860caeac9718b560129541b776fc2c"
CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")  # order of FER2013's codes
Rows = Literal["training", "all"]
MATRICES: dict[str, Path] = {"training": DATA / "fes_fer2013.csv", "all": DATA / "fes_fer2013_all.csv"}
PAIR_CHUNK = 4096  # images at a time, since each takes several (classes, classes) arrays


def similarity(votes: np.ndarray) -> np.ndarray:
    """FES of votes (images, classes), counts of at least 0: float64 (classes, classes), ones on the diagonal.

    Raises:
        DataError: no images, or votes that are negative or not finite.
    """
    counts = np.asarray(votes, np.float64)
    if counts.ndim != 2 or not len(counts):
        raise DataError(f"votes: got shape {counts.shape}, expected (images, classes) with at least one image")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise DataError("votes: expected counts of at least 0")
    total = np.zeros((counts.shape[1], counts.shape[1]))
    for low in range(0, len(counts), PAIR_CHUNK):
        a = counts[low : low + PAIR_CHUNK, :, None]
        b = counts[low : low + PAIR_CHUNK, None, :]
        larger = np.maximum(a, b)
        # 0 where neither class has a vote
        total += np.divide(np.minimum(a, b), larger, out=np.zeros_like(larger), where=larger > 0).sum(0)
    fes = total / len(counts)
    np.fill_diagonal(fes, 1.0)
    return fes


def read_votes(path: Path | str, classes: Sequence[str] = CLASSES, rows: Rows = "all") -> "pd.DataFrame":
    """The votes of a csv (plain or .gz): one column per class, by name; `training` keeps rows whose Usage is Training.

    Raises:
        DataError: a class has no column, or `training` is asked for and the file does not know the split.
    """
    import pandas as pd

    data = Path(path).read_bytes()
    table = pd.read_csv(io.BytesIO(gzip.decompress(data) if str(path).endswith(".gz") else data))
    missing = [name for name in classes if name not in table.columns]
    if missing:
        raise DataError(f"{path}: no column of votes for {', '.join(missing)}; got {', '.join(table.columns)}")
    if rows == "training":
        if "Usage" not in table.columns:
            raise DataError(f"{path}: no column Usage, so its training rows are not known; expected rows: all")
        table = table[table["Usage"] == "Training"]
    return table[list(classes)]


def fes_of_votes(path: Path | str, classes: Sequence[str] = CLASSES, rows: Rows = "all") -> "pd.DataFrame":
    """FES of a file of votes, with the class names as index and columns."""
    import pandas as pd

    return pd.DataFrame(
        similarity(read_votes(path, classes, rows).to_numpy()), index=list(classes), columns=list(classes)
    )


def read_fes(source: str, classes: Sequence[str]) -> np.ndarray:
    """The committed matrix `training` or `all`, or that of a csv file, for `classes` by name: float64 (K, K).

    A class that the matrix does not know (contempt, say) is similar to none but itself, so nothing is swapped into or
    out of it.

    Raises:
        ConfigError: neither a committed matrix nor a file.
        DataError: index and header of the file differ, values outside [0, 1], not symmetric, or no class in common.
    """
    import pandas as pd

    path = MATRICES.get(source, Path(source))
    if not path.is_file():
        raise ConfigError(f"fes: got {source!r}, expected {', '.join(MATRICES)} or a csv file")
    table = pd.read_csv(path, index_col=0)
    values = table.to_numpy(np.float64)
    if list(table.index) != list(table.columns):
        raise DataError(f"{path}: index and header must be the same names in the same order")
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1 or not np.allclose(values, values.T):
        raise DataError(f"{path}: expected a symmetric matrix of values in 0..1")
    known = [name for name in classes if name in table.index]
    if not known:
        raise DataError(f"{path}: knows none of the classes {', '.join(classes)}; it has {', '.join(table.index)}")
    matrix = pd.DataFrame(np.eye(len(classes)), index=list(classes), columns=list(classes))
    matrix.loc[known, known] = table.loc[known, known]
    return matrix.to_numpy()


def admitted(matrix: np.ndarray, classes: Sequence[str], threshold: float) -> list[tuple[str, str]]:
    """The pairs of classes whose similarity is above `threshold`, each once, in the order of the classes."""
    count = len(classes)
    return [(classes[i], classes[j]) for i in range(count) for j in range(i + 1, count) if matrix[i, j] > threshold]


def write_matrices() -> None:
    """Write the committed matrices anew from the committed votes.

    Raises:
        DataError: the votes are not the published file.
    """
    digest = hashlib.sha256(gzip.decompress(VOTES.read_bytes())).hexdigest()
    if digest != VOTES_SHA256:
        raise DataError(f"{VOTES}: sha256 of the content is {digest}, expected {VOTES_SHA256}")
    for rows, path in MATRICES.items():
        write_matrix(fes_of_votes(VOTES, CLASSES, rows), path)  # type: ignore[arg-type]


def write_matrix(matrix: "pd.DataFrame", path: Path | str) -> None:
    """Write a matrix as csv with nine significant digits."""
    write_text(path, matrix.to_csv(float_format="%.9g", lineterminator="\n"))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m fernas.learn.fes", description="FES matrices from votes")
    parser.add_argument("--votes", help="csv of votes, one column per class; without it the committed ones of FER+")
    parser.add_argument("--classes", nargs="+", default=list(CLASSES))
    parser.add_argument("--rows", choices=("training", "all"), default="all")
    parser.add_argument("--out", help="csv to write; needed with --votes")
    options = parser.parse_args(arguments)
    if options.votes is None:
        write_matrices()
    elif options.out is None:
        parser.error("--out is needed with --votes")
    else:
        write_matrix(fes_of_votes(options.votes, options.classes, options.rows), options.out)


if __name__ == "__main__":
    main()
