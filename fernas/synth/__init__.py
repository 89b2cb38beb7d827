"""Rendered faces: identities, expressions and clips drawn from numbers, written in the real layouts of datasets.

The default dataset of the project for whoever holds no licence: all is procedural, seeded and labelled as rendered.
Only `write_dataset` and `renamed` are offered here and nothing heavy is imported before they run.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_dataset(
    dataset: str, out_dir: Path | str, config: dict[str, Any] | None = None, progress: Callable[..., Any] | None = None
) -> dict[str, Any]:
    """Render a dataset in the layout of `dataset` into `out_dir` and return its truth.

    Args:
        dataset: name of a layout in `fernas/synth/layouts/`.
        out_dir: the dataset folder; replaced when it is a rendered one, refused when it holds anything else.
        config: keys of the layout's Config (its `rendered:` section).
        progress: called as `progress(items, total=, desc=)`; an iterable that yields the items (None: silent).

    Returns:
        The truth, ready for json: dataset, rendered, seed, samples, subjects, classes, splits, clips.

    Raises:
        ConfigError: unknown layout, unknown or bad config key.
        DataError: `out_dir` holds files that were not rendered.
    """
    from fernas.synth.dataset import render_dataset

    return render_dataset(dataset, Path(out_dir), config or {}, progress)


def renamed(truth: dict[str, Any], dataset: str) -> dict[str, Any]:
    """A truth whose dataset is called otherwise than its layout: the name stands first in its ids and subjects."""
    old = truth["dataset"]
    if old == dataset:
        return truth

    def name(identity: str) -> str:
        return dataset + identity.removeprefix(old)

    clips = [{**c, **{key: name(c[key]) for key in ("sample_id", "subject") if key in c}} for c in truth["clips"]]
    per_subject = {name(subject): counts for subject, counts in truth["per_subject"].items()}
    return {**truth, "dataset": dataset, "clips": clips, "per_subject": per_subject}
