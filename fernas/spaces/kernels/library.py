"""Builds, caches and loads the compiled loops (`cpp/`), and says whether they can be used.

The only module of the spaces that reads the environment:

* `FERNAS_KERNELS=0` switches the kernels off;
* `FERNAS_KERNELS_MARCH`: the processor to compile for (default `native`; `x86-64-v3`: the branch without AVX-512);
* `FERNAS_CACHE` moves the cache (default `~/.cache/fernas`); `CXX` names the compiler (default `g++`).

A library is compiled for the processor that it runs on and cached under a name that contains the processor's flags, the
sources, the compiler and torch's version, so a home directory shared by several machines is safe. Beside it lies its
checksum: a half-written or damaged file is built again. A library is code that runs as its user, so a cache where other
users can write is refused. Whatever goes wrong, a run continues on the pure path and logs that once.
"""

import contextlib
import ctypes
import functools
import hashlib
import logging
import os
import platform
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

log = logging.getLogger(__name__)

SOURCES = Path(__file__).with_name("cpp")
# Contracted products and sums (FMA) and no traps: the loops are compared with the plain form to 1e-9, not bit by bit.
# No -ffast-math: it would reorder sums, and NaN would no longer reach the loss.
FLAGS = ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-std=c++17", "-fopenmp", "-fPIC", "-w"]
REALS = {torch.float32: "float", torch.float64: "double"}  # double is for the equality tests; built at first use
ABI = 1  # as `abi()` in kernels.cpp; raised when the arguments of a loop change
BUILD_SECONDS = 600
TRUSTED = (0,)  # users beside the own one whose libraries are loaded: root

_enabled = True


def switched_off() -> bool:
    """Whether FERNAS_KERNELS=0 is set."""
    return os.environ.get("FERNAS_KERNELS", "1") == "0"


@contextlib.contextmanager
def disabled() -> Iterator[None]:
    """Inside the block the pure path runs (tests and benchmarks)."""
    global _enabled
    before, _enabled = _enabled, False
    try:
        yield
    finally:
        _enabled = before


def enabled() -> bool:
    """Whether the kernels may be used now, built or not."""
    return _enabled and not switched_off()


class BuildError(Exception):
    """The library could not be built or loaded; the text says why."""


def march() -> str:
    """The processor to compile for."""
    return os.environ.get("FERNAS_KERNELS_MARCH", "native")


def compiler() -> str:
    """The C++ compiler."""
    return os.environ.get("CXX", "g++")


def cache_folder() -> Path:
    """The folder of libraries."""
    folder = os.environ.get("FERNAS_CACHE")
    return (Path(folder) if folder else Path.home() / ".cache" / "fernas") / "kernels"


def _processor() -> str:
    """What `-march=native` depends on: the library is built again when this changes."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            return next(line for line in info if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        return platform.processor()


@functools.cache
def _torch_openmp() -> tuple[str, ...]:
    """The OpenMP runtime that torch brings; empty when it has none.

    Two runtimes in one process would keep two pools of threads, which fight for the cores.
    """
    root = Path(torch.__file__).parent
    runtimes = sorted(p for folder in (root / "lib", root.parent / "torch.libs") for p in folder.glob("libgomp*.so*"))
    return (str(runtimes[0]),) if runtimes else ()


def _sources() -> list[Path]:
    return sorted([*SOURCES.glob("*.cpp"), *SOURCES.glob("*.h")])


def library_path(dtype: torch.dtype = torch.float32) -> Path:
    """The path of the library for this processor, compiler, source text and torch, built or not."""
    parts = [p.name + "\n" + p.read_text(encoding="utf-8") for p in _sources()]
    parts += [compiler(), march(), *FLAGS, REALS[dtype], _processor(), torch.__version__, str(ABI)]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return cache_folder() / f"kernels-{REALS[dtype]}-{key}.so"


def _checksum(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _is_closed(path: Path, sticky: bool = False) -> bool:
    """Whether only this user and root can write there; with `sticky`, a folder like /tmp will do as well."""
    status = path.stat()
    open_to_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not (sticky and status.st_mode & stat.S_ISVTX)
    return status.st_uid in (os.getuid(), *TRUSTED) and not open_to_others


def _make_cache(folder: Path) -> None:
    """Make the folder of libraries and the one above it, closed to others whatever the umask is.

    Raises:
        BuildError: other users can write in one of them.
    """
    for path in (folder.parent, folder):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_closed(path, sticky=path != folder):
            raise BuildError(f"{path}: other users can write there; remove it, or name another one in FERNAS_CACHE")


def _intact(path: Path) -> bool:
    """Whether the library is there, is what its checksum says, and nobody else can have written it."""
    try:
        return (
            _is_closed(path)
            and _checksum(path).read_text(encoding="utf-8").strip() == hashlib.sha256(path.read_bytes()).hexdigest()
        )
    except OSError:
        return False


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """One build at a time in a cache; ends with its process. Without locks on that file system, nothing is lost."""
    import fcntl

    with open(folder / ".lock", "w", encoding="utf-8") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=BUILD_SECONDS)
    except FileNotFoundError as error:
        raise BuildError(f"no C++ compiler {command[0]!r} found") from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in (error.stderr or "").splitlines() if line.strip()]
        raise BuildError(f"{command[0]} failed: {lines[0] if lines else error}") from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{command[0]} took more than {BUILD_SECONDS} s") from error


def _compile(target: Path, dtype: torch.dtype) -> None:
    """Compiles into a temporary folder, then moves library and checksum to their places."""
    flags = [*FLAGS, f"-march={march()}", f"-DREAL={REALS[dtype]}"]
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        objects, library = f"{work}/kernels.o", f"{work}/kernels.so"
        _run([compiler(), *flags, "-c", str(SOURCES / "kernels.cpp"), "-o", objects])
        _run([compiler(), "-shared", objects, *(_torch_openmp() or ("-fopenmp",)), "-o", library])
        os.chmod(library, 0o700)
        digest = hashlib.sha256(Path(library).read_bytes()).hexdigest()
        Path(work, "sha256").write_text(digest + "\n", encoding="utf-8")
        _checksum(target).unlink(missing_ok=True)  # library first: a kill between the two leaves no valid pair
        os.replace(library, target)
        os.replace(Path(work, "sha256"), _checksum(target))


def build(dtype: torch.dtype = torch.float32) -> Path:
    """Builds the library if it is not there intact (some seconds, once) and returns its path.

    Raises:
        BuildError: no compiler, a failing compiler, a folder that cannot be written, or that others can write.
    """
    target = library_path(dtype)
    try:
        _make_cache(target.parent)
        if _intact(target):
            return target
        with _lock(target.parent):
            if not _intact(target):
                log.info("compiling the supernet kernels (%s), once: %s", REALS[dtype], target)
                _compile(target, dtype)
    except OSError as error:
        raise BuildError(f"{target.parent}: {error.strerror or error}") from error
    return target


@functools.cache
def _attempt(dtype: torch.dtype) -> tuple[ctypes.CDLL | None, str]:
    """The library and an empty text, or None and the reason; the reason is logged once."""
    try:
        path = build(dtype)
        library = ctypes.CDLL(str(path))
        if library.abi() != ABI:
            raise BuildError(f"{path}: abi {library.abi()}, expected {ABI}")
        return library, ""
    except (BuildError, OSError, AttributeError) as error:
        log.warning("supernet kernels not available (%s); the pure PyTorch path runs, some times slower", error)
        return None, str(error)


def load(dtype: torch.dtype = torch.float32) -> ctypes.CDLL | None:
    """The compiled library for float32 or float64, or None where the pure path has to run (one warning)."""
    return _attempt(dtype)[0]


def status() -> str:
    """One line: whether the kernels are used here, and if not, why."""
    if switched_off():
        return "pure PyTorch path: FERNAS_KERNELS=0"
    if not enabled():
        return "pure PyTorch path: switched off in this process"
    library, reason = _attempt(torch.float32)
    if library is None:
        return f"pure PyTorch path: {reason}"
    return f"compiled kernels for {march()}: {library_path()}"
