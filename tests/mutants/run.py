"""Runs the mutations of the lists beside this file: each puts one mistake into a copy of the tree, and the tests that
it names must fail there. The checkout is only read.

    python tests/mutants/run.py [--jobs N] [WORD ...]

Words choose mutations by name or file. The exit status is 1 if a mutation survives or cannot be judged, or if a named
test fails without any mutation.
"""

import argparse
import compileall
import os
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from py_compile import PycInvalidationMode

ROOT = Path(__file__).resolve().parents[2]
LISTS = ROOT / "tests" / "mutants"
LEFT_OUT = (".*", "results*", "__pycache__")  # of the copy: environment, version control, what studies made
LIBRARIES = (
    "anyio.pytest_plugin", "cv2", "hypothesis", "joblib", "matplotlib.pyplot", "pandas", "pyarrow.parquet", "pydantic",
    "pytest", "scipy.stats", "skimage", "sklearn.svm", "statsmodels.stats.multitest", "torch", "yaml",
)  # fmt: skip
QUIET = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # hypothesis is loaded before pytest looks at it
LIMIT_S = 300  # per mutation; a mutation that makes the tests hang is not killed
UNCHANGED = "without any mutation"
VERDICTS = {0: "survived", 1: "killed"}  # by pytest's exit status; with any other one the tests did not run


@dataclass(frozen=True)
class Mutant:
    """One mistake: what is wrong, the file, the text that occurs there once, what replaces it, the tests that fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, root: Path) -> str:
        """The text of the file with the mistake in it."""
        text = (root / self.file).read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: the old text occurs {text.count(self.old)} times in {self.file}")
        return text.replace(self.old, self.new)


def load_mutants() -> list[Mutant]:
    """All mutations, in the order of the lists."""
    entries = [entry for path in sorted(LISTS.glob("*.toml")) for entry in tomllib.loads(path.read_text())["mutant"]]
    return [Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


def make_copy(folder: str) -> None:
    """Give this worker a copy of the tree of its own, and make it the working directory."""
    copy = Path(tempfile.mkdtemp(dir=folder)) / ROOT.name
    shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
    # by hash, not by date: a mutation may have the size of the original and come within the same second
    compileall.compile_dir(copy / "fernas", quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
    os.chdir(copy)


def run_tests(tests: list[str], log: Path) -> int | None:
    """Pytest's exit status in a forked process, which has the large libraries loaded; None after the time limit."""
    child = os.fork()
    if not child:
        os.setsid()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ["PYTHONPATH"] = os.getcwd()
        sys.path[:] = [os.getcwd(), *(entry for entry in sys.path if Path(entry).resolve() not in (ROOT, LISTS))]
        import pytest

        os._exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *QUIET, *tests]))
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def judge(mutant: Mutant) -> tuple[Mutant, str, float, str]:
    """The mutation, its verdict, seconds, and what the tests said last."""
    start, path, log = time.monotonic(), Path(mutant.file), Path("mutant.log")
    original = path.read_text()
    path.write_text(mutant.applied(Path()))
    try:
        status = run_tests(list(mutant.tests), log)
    finally:
        path.write_text(original)
    verdict = "no end" if status is None else VERDICTS.get(status, "not run")
    return mutant, verdict, time.monotonic() - start, log.read_text()


def load_libraries() -> None:
    """What most tests import, once; nothing of fernas, which each forked process reads from its own copy."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    for name in LIBRARIES:
        __import__(name)


def main() -> int:
    """Run the chosen mutations and print a line for each."""
    parser = argparse.ArgumentParser(description="put one mistake at a time into a copy; the named tests must fail")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    parser.add_argument("words", nargs="*", help="only mutations whose name or file holds one of them")
    arguments = parser.parse_args()
    words = arguments.words or [""]
    chosen = [m for m in load_mutants() if any(word in f"{m.file} {m.name}" for word in words)]
    # package by package also without any mutation: a test that fails anyway kills nothing
    for package in dict.fromkeys(Path(mutant.file).parts[1] for mutant in chosen):
        of_package = [m for m in chosen if Path(m.file).parts[1] == package and m.name != UNCHANGED]
        tests = tuple(dict.fromkeys(test for mutant in of_package for test in mutant.tests))
        chosen.append(Mutant(UNCHANGED, of_package[0].file, of_package[0].old, of_package[0].old, tests))
    load_libraries()
    counts: Counter[str] = Counter()
    bad, start = [], time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(arguments.jobs, get_context("fork"), make_copy, (folder,)) as pool,
    ):
        for done in as_completed([pool.submit(judge, mutant) for mutant in chosen]):
            mutant, verdict, seconds, output = done.result()
            is_plain = mutant.name == UNCHANGED
            if is_plain:
                verdict = {"survived": "passed", "killed": "failed"}.get(verdict, verdict)
            print(f"{verdict:8} {seconds:6.1f} s  {mutant.file}: {mutant.name}", flush=True)
            counts[verdict] += 1
            if verdict != ("passed" if is_plain else "killed"):
                bad.append(mutant.name)
                print(output[-3000:])
    print(", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number), end="")
    print(f", {time.monotonic() - start:.0f} s" + "".join(f"\n  not as it must be: {name}" for name in bad))
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
