"""Runs the benchmarks named on the command line, or all: `python -m benchmarks supernet dynamic_images`."""

import importlib
import pkgutil
import sys
from pathlib import Path


def names() -> list[str]:
    """All benchmark modules."""
    return sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if not m.name.startswith("_"))


def main(wanted: list[str]) -> int:
    """Runs them one after another; 2 when a name is unknown."""
    unknown = sorted(set(wanted) - set(names()))
    if unknown:
        print(f"unknown benchmark {', '.join(unknown)}; known: {', '.join(names())}", file=sys.stderr)
        return 2
    for name in wanted or names():
        importlib.import_module(f"benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
