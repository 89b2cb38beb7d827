"""Pictures of results."""
from pathlib import Path
def confusion_of(p: Path) -> bytes | None:
    return b"x"
