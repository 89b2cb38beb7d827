"""Randomness: every stream's seed derives from names, so that adding a method or a fold never shifts another one."""

import hashlib
import random
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def derive_seed(base: int, *parts: str | int) -> int:
    """A seed in [0, 2**32) from a base and the names of what it is for."""
    text = "/".join(str(part) for part in (base, *parts))
    # 32 bits, since numpy's and other libraries' global seeds take no more
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def rng(base: int, *parts: str | int) -> "np.random.Generator":
    """A numpy generator seeded by `derive_seed`."""
    import numpy as np

    return np.random.default_rng(derive_seed(base, *parts))


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and (when it is imported) torch's global generators; once per job."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)
    # not imported here: jobs without networks would pay seconds for it
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)
