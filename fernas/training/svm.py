"""A linear support vector machine on features (LBP-TOP): standardised on the train split, C by inner validation."""

import logging
import warnings
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from fernas.core.errors import ContractError
from fernas.core.seeds import derive_seed
from fernas.learn.config import AugmentConfig, Options
from fernas.training.context import FoldTask, RecipePlugin, TrainContext

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from fernas.learn.arrays import ArrayPart
    from fernas.learn.fit import Fitted
    from fernas.training._shard import FoldRun

logger = logging.getLogger(__name__)
MAX_PASSES = 5000  # of the solver
ABSENT = -1e6  # score of a class that the train split lacks


class SvmConfig(Options):
    """A linear machine, one class against the others (scikit-learn's LinearSVC)."""

    c: tuple[float, ...] = Field(
        default=(0.0001, 0.001, 0.01, 0.1, 1.0), min_length=1, description="inner validation chooses among these"
    )
    class_weights: Literal["none", "balanced"] = "balanced"

    @property
    def augment(self) -> AugmentConfig:
        """Features are not augmented; prediction asks for the section."""
        return AugmentConfig()


def run(context: TrainContext) -> dict[str, Any]:
    """Fit the folds of the shard one after another."""
    from fernas.training._shard import train_shard

    return train_shard(context, fit_fold)


def fit_fold(fold: "FoldRun") -> "Fitted":
    """Fit a machine with each C; the one with the highest UAR on inner validation becomes the fold's network.

    Raises:
        ContractError: fewer than two classes in the train split, or several C without inner validation.
    """
    import numpy as np

    from fernas.learn.fit import Fitted

    task, classes = fold.task, len(fold.context.classes)
    options: SvmConfig = fold.context.options
    if not len(np.unique(task.train.labels)) > 1:
        raise ContractError(f"fold {task.fold}: a support vector machine needs two classes in the train split")
    if not len(task.inner) and len(options.c) > 1:
        raise ContractError(f"fold {task.fold}: C is chosen by inner validation, which has no samples; give one C")
    best, chosen = -1.0, 0
    rows: list[dict[str, Any]] = []
    for number, c in enumerate(sorted(options.c)):
        weight, bias = fit_linear(task.train, classes, c, options, fold.seed)
        row = {"epoch": number, "c": c, **_scores(weight, bias, task, classes)}
        rows.append(row)
        fold.history.add({"fold": task.fold, **row}, fold=float(task.fold), epoch=float(number), c=c)
        uar = row.get("inner_uar", 0.0)
        if uar > best:  # of equals the smaller C, which is the smoother machine
            best, chosen = uar, number
            load_linear(fold.net, weight, bias)
    return Fitted(chosen, best, 0, len(task.inner) * len(rows), None, rows)


def features(part: "ArrayPart") -> "np.ndarray":
    """The features of a part, float64 (N, F)."""
    return part.images.reshape(len(part), -1).astype("float64")


def fit_linear(
    train: "ArrayPart", classes: int, c: float, options: SvmConfig, seed: int
) -> "tuple[np.ndarray, np.ndarray]":
    """Fit on the train split; the standardisation, learned there too, is folded into the result.

    Returns:
        weight float64 (classes, F) and bias (classes,) on features as they are; a class without samples scores -1e6.
    """
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    x = features(train)
    scaler = StandardScaler().fit(x)
    machine = LinearSVC(
        C=c,
        class_weight="balanced" if options.class_weights == "balanced" else None,
        max_iter=MAX_PASSES,
        random_state=derive_seed(seed, "svm") % 2**31,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        machine.fit(scaler.transform(x), train.labels)
    if any(issubclass(w.category, ConvergenceWarning) for w in caught):
        logger.warning("C = %g: not converged after %d passes", c, MAX_PASSES)
    coefficients, intercepts = machine.coef_, machine.intercept_
    if len(machine.classes_) == 2:  # one machine that separates both
        coefficients, intercepts = (
            np.concatenate([-coefficients, coefficients]),
            np.concatenate([-intercepts, intercepts]),
        )
    # (x - mean) / scale folded into the machine: the stored network is one linear layer on features as they are
    weight, bias = np.zeros((classes, x.shape[1])), np.full(classes, ABSENT)
    weight[machine.classes_] = coefficients / scaler.scale_
    bias[machine.classes_] = intercepts - (coefficients / scaler.scale_) @ scaler.mean_
    return weight, bias


def load_linear(net: "nn.Module", weight: "np.ndarray", bias: "np.ndarray") -> None:
    """Put a fitted machine into the network `linear_svm`."""
    import torch

    linear: Any = net.linear
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weight))
        linear.bias.copy_(torch.from_numpy(bias))


def _scores(weight: "np.ndarray", bias: "np.ndarray", task: FoldTask, classes: int) -> dict[str, float]:
    from fernas.metrics import accuracy, confusion_scores

    predictions = (features(task.train) @ weight.T + bias).argmax(1)
    scores = {"accuracy": float(accuracy(task.train.labels, predictions))}
    if len(task.inner):
        predictions = (features(task.inner) @ weight.T + bias).argmax(1)
        inner = confusion_scores(task.inner.labels, predictions, classes)
        scores |= {f"inner_{name}": value for name, value in inner.items()}
    return scores


PLUGIN = RecipePlugin("svm", "linear support vector machine", SvmConfig, run, features=True)
