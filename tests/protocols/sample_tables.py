"""Tables of samples for the tests of protocols."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st

LABELS = ("anger", "fear", "happiness", "surprise")


def table_of(labels_of: dict[str, list[str]], dataset: str = "dataset") -> pd.DataFrame:
    """Subject -> labels of its samples; each sample is a group of its own."""
    rows = [
        {
            "sample_id": f"{dataset}/{subject}/c{place}",
            "dataset": dataset,
            "subject": f"{dataset}/{subject}",
            "group": f"{dataset}/{subject}/c{place}",
            "label": label,
            "split": None,
        }
        for subject, labels in labels_of.items()
        for place, label in enumerate(labels)
    ]
    return pd.DataFrame(rows)


def regular(
    subjects: int, per_class: int = 2, dataset: str = "dataset", labels: tuple[str, ...] = LABELS
) -> pd.DataFrame:
    """As many samples of each class for each subject."""
    return table_of({f"S{number:03d}": list(labels) * per_class for number in range(subjects)}, dataset)


def anonymous(count: int, splits: dict[str, int], dataset: str = "wild") -> pd.DataFrame:
    """A dataset without subjects: stills with an official split."""
    names = [name for name, size in splits.items() for _ in range(size)]
    assert len(names) == count
    return pd.DataFrame(
        {
            "sample_id": [f"{dataset}/{number:05d}" for number in range(count)],
            "dataset": dataset,
            "subject": None,
            "group": [f"{dataset}/{number:05d}" for number in range(count)],
            "label": [LABELS[number % len(LABELS)] for number in range(count)],
            "split": names,
            "sha256": [f"{number:064x}" for number in range(count)],
        }
    )


@st.composite
def tables(draw, min_subjects=4, max_subjects=12, max_datasets=3):
    """Uneven datasets: one to three datasets, classes of any size, shuffled rows."""
    parts = []
    for dataset in ("one", "two", "three")[: draw(st.integers(1, max_datasets))]:
        subjects = draw(st.integers(min_subjects, max_subjects))
        labels = {
            f"s{number}": draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=6)) for number in range(subjects)
        }
        parts.append(table_of(labels, dataset))
    table = pd.concat(parts, ignore_index=True)
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(table))
    return table.iloc[order].reset_index(drop=True)
