"""One walk over a dataset folder, and regular expressions over what it held: wrapper folders and case do not matter."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fernas.core.errors import DataError
from fernas.core.images import EXTENSIONS, IGNORED_NAMES, natural_key

# several extensions: CAS(ME)^2 has files called img2977.jpg.jpg
IMAGE = r"(?:\.(?:jpe?g|png|bmp|tiff?))+"
JUNK_FOLDERS = {"__macosx", ".git", ".ipynb_checkpoints", "$recycle.bin", ".trash"}
# far deeper than any release; bounds the recursion
MAX_DEPTH = 24
# how file managers and browsers name a copy: "x - Copy.jpg", "x (1).jpg"
_COPY = re.compile(r"(?: - copy(?: ?\(\d+\))?| ?\(\d+\))(?=(?:\.\w+)+$)", re.IGNORECASE)


def is_junk(name: str) -> bool:
    """Whether a file name is a left-over of a file manager (`Thumbs.db`, `._x.jpg`, `.DS_Store`, a `.lnk`)."""
    low = name.lower()
    return low.startswith(".") or low in IGNORED_NAMES or low.endswith((".lnk", ".tmp", ".part", ".crdownload"))


def is_image_name(name: str) -> bool:
    """Whether a (relative) name ends in one of the image extensions, whatever its case."""
    return name.lower().endswith(EXTENSIONS)


def stem_of(name: str) -> str:
    """The base name without its (possibly doubled) image extensions: `a/img12.jpg.jpg` -> `img12`."""
    return re.sub(rf"{IMAGE}$", "", name.rsplit("/", 1)[-1], flags=re.IGNORECASE)


def frame_number(name: str) -> int | None:
    """The last group of digits of an image's name: `EP01_5-126.jpg` -> 126; None without digits."""
    groups = re.findall(r"\d+", stem_of(name))  # the last one: `EP01_5-126` and `006_05562` begin with the clip
    return int(groups[-1]) if groups else None


@dataclass
class Tree:
    """Every regular file and folder below a root, as POSIX paths relative to it, in natural order."""

    root: Path
    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def walk(cls, root: Path | str) -> "Tree":
        """Walk `root` once; follows links to folders, never in a circle; leaves out what file managers leave behind.

        Raises:
            DataError: no such folder, a folder that cannot be listed, a file name that is not text.
        """
        path = Path(root)
        if not path.is_dir():
            raise DataError(f"{path}: no such folder, expected the root of a dataset")
        tree = cls(path)
        tree._enter("", (os.path.realpath(path),))
        return tree

    def _enter(self, relative: str, chain: tuple[str, ...]) -> None:
        folder = os.path.join(self.root, relative) if relative else str(self.root)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: natural_key(entry.name))
        except OSError as error:
            raise DataError(f"{folder}: cannot be listed ({error.strerror})") from error
        present = {entry.name.lower() for entry in entries}
        below: list[tuple[str, str]] = []
        for entry in entries:
            name = f"{relative}/{entry.name}" if relative else entry.name
            try:
                entry.name.encode("utf-8")
            except UnicodeEncodeError as error:
                raise DataError(f"{folder}: file name {entry.name!r} is not UTF-8 text; rename it") from error
            if entry.is_dir():
                # realpath asks the disk for every part of a path, so only links are resolved
                real = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(chain[-1], entry.name)
                if entry.is_symlink() and self._is_loop(real, chain):
                    self.problems.append(f"{name}: a link in a circle, not followed")
                elif entry.name.lower() not in JUNK_FOLDERS and len(chain) <= MAX_DEPTH:
                    self.folders.append(name)
                    below.append((name, real))
            elif not is_junk(entry.name):
                original = _COPY.sub("", entry.name).lower()
                # "x (1).jpg" is a copy only where "x.jpg" lies beside it; alone it is the image
                if original != entry.name.lower() and original in present:
                    self.problems.append(f"{name}: a copy of {original}, not used")
                elif entry.is_file():
                    self.files.append(name)
                else:
                    self.problems.append(f"{name}: a broken link or no regular file, not used")
        # the files of a folder come before those below it, so shallow matches are met first
        for name, real in below:
            self._enter(name, (*chain, real))

    @staticmethod
    def _is_loop(real: str, chain: tuple[str, ...]) -> bool:
        return any(parent == real or parent.startswith(real.rstrip(os.sep) + os.sep) for parent in chain)

    def find(self, pattern: str) -> Iterator[re.Match[str]]:
        """Matches of `[base/]pattern` over the whole relative path of every file, without case; `base` is a group."""
        return _matches(self.files, pattern)

    def find_folders(self, pattern: str) -> Iterator[re.Match[str]]:
        """Matches of `[base/]pattern` over the folders."""
        return _matches(self.folders, pattern)

    def one(self, pattern: str, what: str, given: str | None = None) -> str:
        """The one file that matches (the shallowest, then the first in natural order); `given` names it outright.

        Raises:
            DataError: none, or the given one is absent.
        """
        match = self.optional(pattern, given)
        if match is None:
            near = [name for name in self.files if not is_image_name(name)][:5]
            raise DataError(f"{self.root}: no {what} found; other files there: {', '.join(near) or 'none'}")
        return match

    def optional(self, pattern: str, given: str | None = None) -> str | None:
        """Like `one`; None where nothing matches, and a problem is noted where several files do."""
        if given is not None:
            name = given.replace("\\", "/")
            if not (self.root / name).is_file():
                raise DataError(f"{self.root / name}: no such file, named by an option")
            return name
        hits = sorted((m.string for m in self.find(pattern)), key=lambda name: (name.count("/"), natural_key(name)))
        if len(hits) > 1:
            self.problems.append(f"{len(hits)} files could be meant: used {hits[0]}, not {', '.join(hits[1:4])}")
        return hits[0] if hits else None


def _matches(names: Iterable[str], pattern: str) -> Iterator[re.Match[str]]:
    compiled = re.compile(rf"(?:(?P<base>.*)/)?(?:{pattern})", re.IGNORECASE)
    return (match for name in names if (match := compiled.fullmatch(name)))


@dataclass
class Clip:
    """The images of one clip folder: `refs` in the order of their numbers (by position where names carry none)."""

    base: str
    refs: list[str]
    numbers: list[int]


@dataclass
class Images:
    """Clips by key, from the folders that were chosen."""

    clips: dict[tuple[str, ...], Clip]
    bases: list[str]
    problems: list[str]
    kind: str = ""

    def sources(self) -> list[str]:
        """A sentence about where the images were taken from, as a list."""
        return [f"images below {', '.join(base or '.' for base in sorted({top(b) for b in self.bases}))}"]


def top(base: str) -> str:
    """The first folder of a relative path."""
    return base.split("/", 1)[0]


def collect_clips(
    tree: Tree,
    pattern: str,
    key: Callable[[re.Match[str]], tuple[str, ...]],
    kind_of: Callable[[re.Match[str]], str] = lambda match: "images",
    kinds: Iterable[str] = ("images",),
) -> Images:
    """Group images into clips; of several kinds (cropped, raw) the one with most clips is used, else the first.

    Within a kind, a clip that lies under two base folders is taken from the fuller base; the other one is reported.

    Args:
        tree: the dataset root.
        pattern: regular expression of an image's path below any base.
        key: what identifies a clip.
        kind_of: which of several trees an image belongs to.
        kinds: the trees that may be used; of equally full ones the first.
    """
    by_kind: dict[str, dict[str, dict[tuple[str, ...], list[str]]]] = {}
    for match in tree.find(pattern):
        base = match["base"] or ""
        bases = by_kind.setdefault(kind_of(match), {})
        bases.setdefault(base, {}).setdefault(key(match), []).append(match.string)
    # clips are counted once per kind, however many wrapper folders hold them
    present = [(len(set().union(*by_kind[kind].values())), kind) for kind in kinds if kind in by_kind]
    most = max((count for count, _ in present), default=0)
    used = next((kind for count, kind in present if count == most), "")
    chosen = by_kind[used] if present else {}
    # a release that was unpacked twice leaves a whole and a partial tree: the fuller one wins clip by clip
    order = sorted(chosen, key=lambda base: (-len(chosen[base]), base.count("/"), natural_key(base)))
    clips: dict[tuple[str, ...], Clip] = {}
    problems: list[str] = []
    twice: dict[str, list[str]] = {}
    for base in order:
        for name, refs in chosen[base].items():
            if name in clips:
                twice.setdefault(base, []).append("/".join(name))
                continue
            numbers, ordered, notes = order_frames(refs)
            problems += notes
            clips[name] = Clip(base, ordered, numbers)
    for base, names in twice.items():
        problems.append(f"{base or '.'}: {len(names)} clips (first {names[0]}) are also elsewhere, not used from here")
    return Images(dict(sorted(clips.items(), key=lambda item: natural_key("/".join(item[0])))), order, problems, used)


def order_frames(refs: list[str]) -> tuple[list[int], list[str], list[str]]:
    """Sort one clip's images by the number in their names: (numbers, refs, problems).

    Names without digits get the numbers 1, 2, 3... in natural order; of two images with one number the first is used.
    """
    ordered = sorted(refs, key=lambda ref: natural_key(ref.rsplit("/", 1)[-1]))
    numbers = [frame_number(ref) for ref in ordered]
    # one name without digits makes the numbers of the others meaningless as times: fall back to the order
    if any(number is None for number in numbers):
        return list(range(1, len(ordered) + 1)), ordered, []
    by_number: dict[int, str] = {}
    problems = []
    for number, ref in zip(numbers, ordered, strict=True):
        if number in by_number:
            problems.append(f"{ref}: a second image with number {number}, used {by_number[number]}")
        else:
            by_number[int(number or 0)] = ref
    pairs = sorted(by_number.items())
    return [number for number, _ in pairs], [ref for _, ref in pairs], problems


def summarise(names: Iterable[str], limit: int = 3) -> str:
    """`a, b, c and 7 more`."""
    listed = list(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more


def read_text(path: Path) -> str:
    """A small text file: UTF-8 with or without byte-order mark, UTF-16 with one, otherwise Latin-1; unix line ends."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            # Latin-1 decodes any bytes, so an odd character in a name does not stop the dataset
            text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def numbers_of(path: Path) -> list[list[float]]:
    """A text file of numbers, one list per line that is not blank.

    Raises:
        DataError: something that is no finite number; names file and line.
    """
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        words = line.replace(",", " ").split()
        if not words:
            continue
        try:
            values = [float(word) for word in words]
        except ValueError as error:
            raise DataError(f"{path}: line {number}: got {line.strip()[:60]!r}, expected numbers") from error
        # false for nan and infinity too
        if not all(abs(value) < 1e12 for value in values):
            raise DataError(f"{path}: line {number}: got {line.strip()[:60]!r}, expected finite numbers")
        rows.append(values)
    return rows
