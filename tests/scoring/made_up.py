"""Made-up predictions for the tests of evaluation."""

import numpy as np
import pandas as pd

MEGC_CLASSES = ("negative", "positive", "surprise")
# Clips per subject of the MEGC2019 composite: negative, positive, surprise.
MEGC = {
    "samm": "006 9 0 2, 007 1 5 2, 009 3 0 1, 010 4 0 0, 011 13 7 0, 012 2 0 1, 013 6 0 0, 014 2 7 1, 015 2 0 1, "
    "016 2 1 2, 017 3 0 1, 018 2 0 1, 019 0 1 0, 020 2 2 0, 021 2 0 0, 022 3 2 0, 023 1 0 0, 024 1 0 0, 026 9 0 0, "
    "028 1 0 2, 030 3 0 0, 031 1 0 0, 032 4 0 0, 033 4 1 0, 034 3 0 0, 035 7 0 1, 036 1 0 0, 037 1 0 0",
    "smic": "s01 3 2 1, s02 0 1 5, s03 22 11 6, s04 10 4 5, s05 1 0 1, s06 2 0 2, s08 9 4 0, s09 0 1 3, s11 3 3 1, "
    "s12 0 8 1, s13 0 10 0, s14 3 2 5, s15 1 1 2, s18 2 0 5, s19 0 1 1, s20 14 3 5",
    "casme2": "sub01 2 1 0, sub02 5 1 3, sub03 4 0 1, sub04 2 0 0, sub05 0 1 5, sub06 1 1 2, sub07 5 0 0, sub08 1 0 0, "
    "sub09 5 5 0, sub11 4 0 0, sub12 5 2 4, sub13 0 2 0, sub14 0 3 0, sub15 1 1 1, sub16 1 2 0, sub17 23 7 1, "
    "sub19 3 3 5, sub20 2 0 0, sub21 1 0 0, sub22 2 0 0, sub23 7 1 0, sub24 2 0 1, sub25 3 0 2, sub26 9 2 0",
}


def with_probabilities(rows: pd.DataFrame, answers, classes, rng: np.random.Generator) -> pd.DataFrame:
    """Rows with probabilities whose largest is at `answers` (class indices)."""
    values = rng.dirichlet(np.ones(len(classes)), len(rows))
    values[np.arange(len(rows)), answers] += 1.5
    values /= values.sum(axis=1, keepdims=True)
    return rows.assign(**{f"p_{name}": values[:, place] for place, name in enumerate(classes)})


def megc2019(seed: int = 0, right: float = 0.6) -> pd.DataFrame:
    """442 predictions of 68 subjects, one fold per subject."""
    rng = np.random.default_rng(seed)
    rows = []
    for dataset, text in MEGC.items():
        for fold, entry in enumerate(text.split(", ")):
            subject, *counts = entry.split()
            labels = [name for name, count in zip(MEGC_CLASSES, counts, strict=True) for _ in range(int(count))]
            rows += [
                (f"{dataset}/{subject}/clip{k:02d}", f"{dataset}/{subject}", f"{dataset}-{fold}", label)
                for k, label in enumerate(labels)
            ]
    table = pd.DataFrame(rows, columns=["sample_id", "subject", "fold", "label"])
    return with_probabilities(table, answers_for(table["label"], MEGC_CLASSES, right, rng), MEGC_CLASSES, rng)


def answers_for(labels, classes, right: float, rng: np.random.Generator) -> np.ndarray:
    """Class indices that are right with a probability, else any class."""
    true = np.array([classes.index(label) for label in labels])
    return np.where(rng.random(len(true)) < right, true, rng.integers(0, len(classes), len(true)))


def predictions(
    subjects: int = 10,
    each: int = 6,
    classes=("a", "b", "c"),
    right: float = 0.7,
    seed: int = 0,
    anonymous: bool = False,
) -> pd.DataFrame:
    """Predictions of `subjects` people with `each` samples, all classes in turn; `seed` changes the answers alone."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "sample_id": [f"d/s{u:02d}/{k}" for u in range(subjects) for k in range(each)],
            "subject": [None if anonymous else f"d/s{u:02d}" for u in range(subjects) for _ in range(each)],
            "fold": [u % 4 for u in range(subjects) for _ in range(each)],
            "label": [classes[(u + k) % len(classes)] for u in range(subjects) for k in range(each)],
        }
    )
    return with_probabilities(table, answers_for(table["label"], classes, right, rng), classes, rng)


def subjects_at_random(rng: np.random.Generator, count: int, methods: int = 1) -> np.ndarray:
    """Confusions (methods, subjects, 3, 3) of a micro-expression dataset with correlated samples in subjects.

    Clips per subject are long-tailed, classes uneven within subjects, and a subject is easy or hard as a whole; methods
    differ by chance alone.
    """
    base, ease = np.array([1.2, 0.4, 0.3]), rng.normal(0, 1, count)
    clips = 1 + rng.poisson(rng.gamma(1.0, 5.5, count))
    support = rng.multinomial(clips, rng.dirichlet([2.24, 1.0, 0.76], count))
    found = np.zeros((methods, count, 3, 3), np.int64)
    for method in range(methods):
        own = rng.normal(0, 0.7, count)
        for true in range(3):
            hit = rng.binomial(support[:, true], 1 / (1 + np.exp(-(base[true] + ease + own))))
            first = rng.binomial(support[:, true] - hit, 0.5)
            found[method, :, true, true] = hit
            found[method, :, true, (true + 1) % 3] = first
            found[method, :, true, (true + 2) % 3] = support[:, true] - hit - first
    return found


def posed_at_random(rng: np.random.Generator, count: int) -> np.ndarray:
    """Confusions (1, subjects, 7, 7) of a posed dataset: some of seven expressions per subject, three frames each."""
    shown = rng.random((count, 7)) < 0.45
    shown[np.arange(count), rng.integers(0, 7, count)] = True
    level = np.linspace(2.0, -0.3, 7) + rng.normal(0, 0.8, (count, 1)) + rng.normal(0, 1.5, (count, 7))
    hit = rng.binomial(3, 1 / (1 + np.exp(-level))) * shown
    found = np.zeros((1, count, 7, 7), np.int64)
    wrong = (np.arange(7) + rng.integers(1, 7, (count, 7))) % 7
    people, classes = np.indices((count, 7))
    found[0, people, classes, classes] = hit
    found[0, people, classes, wrong] += 3 * shown - hit
    return found
