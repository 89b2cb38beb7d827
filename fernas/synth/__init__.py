"""Synthetic (rendered) faces: identities, expressions and clips, written in the real on-disk layouts of datasets.

They stand in for datasets that need a licence: procedural, seeded, and labelled as rendered everywhere.
The package exports `write_dataset` and `renamed`; nothing heavy is imported before they run.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_dataset(
    layout: str, out_dir: Path | str, config: dict[str, Any] | None = None, progress: Callable[..., Any] | None = None
) -> dict[str, Any]:
    """Render a dataset in a layout into `out_dir` and return its truth.

    Args:
        layout: name of a file of `fernas/synth/layouts/`, such as `ckplus`.
        out_dir: the dataset root; replaced where it is a rendered one, refused where it holds anything else.
        config: keys of the layout's Config (its `rendered:` section).
        progress: called as `progress(items, total=, desc=)`; an iterable that yields the items (None: silent).

    Returns:
        The truth, ready for json: dataset, rendered, seed, samples, subjects, classes, splits, clips.

    Raises:
        ConfigError: unknown layout, unknown or bad config key.
        DataError: `out_dir` holds files that were not rendered.
    """
    # here, so that the config reader can import the package without numpy and OpenCV
    from fernas.synth.dataset import render_dataset

    return render_dataset(layout, Path(out_dir), config or {}, progress)


def renamed(truth: dict[str, Any], dataset: str) -> dict[str, Any]:
    """A truth whose dataset has another name than its layout: ids and subjects begin with that name."""
    old = truth["dataset"]
    if old == dataset:
        return truth

    def name(identity: str) -> str:
        return dataset + identity.removeprefix(old)

    clips = [{**c, **{key: name(c[key]) for key in ("sample_id", "subject") if key in c}} for c in truth["clips"]]
    per_subject = {name(subject): counts for subject, counts in truth["per_subject"].items()}
    return {**truth, "dataset": dataset, "clips": clips, "per_subject": per_subject}
