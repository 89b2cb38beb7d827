"""A search method from outside the package: pick the width of a nearest-mean classifier, then score it like any row."""

import numpy as np

import fernas


def features(images: np.ndarray, size: int) -> np.ndarray:
    """Images uint8 (N, H, W, C) -> grey means over a grid of size x size cells, float (N, size * size)."""
    grey = images.mean(-1)
    rows = np.array_split(np.arange(grey.shape[1]), size)
    columns = np.array_split(np.arange(grey.shape[2]), size)
    return np.stack([grey[:, r][:, :, c].mean((1, 2)) for r in rows for c in columns], 1)


def probabilities(train: fernas.api.ArrayPart, images: np.ndarray, size: int, classes: int) -> np.ndarray:
    """Softmax of minus the distance to each class' mean."""
    x, mean = features(train.images, size), features(images, size)
    centres = np.stack([x[train.labels == k].mean(0) for k in range(classes)])
    distance = np.linalg.norm(mean[:, None] - centres[None], axis=-1)
    weights = np.exp(-(distance - distance.min(1, keepdims=True)) / 5)
    return weights / weights.sum(1, keepdims=True)


task = fernas.load_task("ckplus-7n")
chosen = {}
for group in task.fold_groups:  # the search: its parts hold no test subject of the group's folds
    meter = task.budget(1e9)
    accuracy = {}
    for size in (2, 3, 4, 6, 8, 12, 16):
        if meter.exhausted:
            break
        guess = probabilities(group.weights, group.selection.images, size, len(task.classes)).argmax(1)
        accuracy[size] = (guess == group.selection.labels).mean()
        meter.spend(size * size * len(task.classes), len(group.selection), backward=False)
    chosen[group.number] = max(accuracy, key=accuracy.get)
predictions = [probabilities(f.train, f.test, chosen[f.fold_group], len(task.classes)) for f in task.folds]
scores = task.score(predictions)
task.predictions(predictions).to_csv("nearest_mean.csv", index=False)  # fernas compare reads it
