"""Audit of the dependencies from the lock files, without a network.

Checked: each requirement of lock.txt is pinned to one version and has sha256 hashes; torch.txt is pinned; nothing comes
from an address, a repository or a path, and no file names an index; what is installed is what is locked; no pinned
version stands in known-bad.txt. Not checked, since it needs the network: advisories and yanks newer than that list.

    python tools/audit_lock.py [requirements folder] [--installed]
"""

import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

PIN = re.compile(r"^([A-Za-z0-9][\w.\-]*)(?:\[[\w,\-]+\])?==([^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")


def requirements(path: Path) -> list[str]:
    """The logical lines of a requirements file: continued lines joined, comments left out."""
    text = re.sub(r"\\\r?\n", " ", path.read_text(encoding="utf-8"))
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line]


def pins(path: Path, hashed: bool) -> tuple[dict[str, str], list[str]]:
    """Name -> version of a requirements file, and what is wrong with it."""
    found: dict[str, str] = {}
    problems = []
    for line in requirements(path):
        match = PIN.match(line)
        if match is None:
            problems.append(f"{path.name}: {line[:80]!r}: expected name==version")
            continue
        name = str(canonicalize_name(match[1]))
        if "*" in match[2] or not _is_version(match[2]):
            problems.append(f"{path.name}: {name}: got {match[2]!r}, expected one version")
        if hashed and not HASH.search(line):
            problems.append(f"{path.name}: {name}: no sha256 hash")
        if name in found:
            problems.append(f"{path.name}: {name}: pinned twice")
        found[name] = match[2]
    return found, problems


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def bad_versions(path: Path) -> list[tuple[str, SpecifierSet, str]]:
    """(name, versions, reason) of each line of the list of known holes."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        words, _, reason = line.partition("#")
        name, _, specifier = words.strip().partition(" ")
        try:
            rows.append((str(canonicalize_name(name)), SpecifierSet(specifier.strip()), reason.strip()))
        except InvalidSpecifier as error:
            raise SystemExit(f"{path.name}: line {number}: {error}") from error
    return rows


def audit(folder: Path, installed: bool = False) -> tuple[int, list[str]]:
    """(requirements checked, problems) of the lock files in `folder`."""
    locked, problems = pins(folder / "lock.txt", hashed=True)
    torch, more = pins(folder / "torch.txt", hashed=False)  # its builds differ by machine, so that no hash fits all
    problems += more
    every = {**locked, **torch}
    for name, versions, reason in bad_versions(folder / "known-bad.txt"):
        if name in every and _is_version(every[name]) and versions.contains(Version(every[name]), prereleases=True):
            problems.append(f"{name} {every[name]}: {reason}")
    if installed:
        for name, version in sorted(every.items()):
            try:
                here = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue  # left out on this machine (LANDMARKS=0, the headless OpenCV)
            if Version(here).public != Version(version).public:
                problems.append(f"{name}: {here} is installed, {version} is locked; run make setup")
    return len(every), problems


def main(arguments: list[str]) -> int:
    """Print what is wrong; the exit status is 1 when something is."""
    folders = [word for word in arguments if not word.startswith("--")]
    folder = Path(folders[0]) if folders else Path(__file__).resolve().parents[1] / "requirements"
    count, problems = audit(folder, "--installed" in arguments)
    for problem in problems:
        sys.stderr.write(f"audit: {problem}\n")
    sys.stdout.write(f"audit: {count} pinned requirements, {len(problems)} problems\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
