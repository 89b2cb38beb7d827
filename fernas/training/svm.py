"""A linear support vector machine on features (LBP-TOP): standardised on the training side, C by inner validation."""

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
    from fernas.training._shard import FoldStart

logger = logging.getLogger(__name__)
ABSENT = -1e6  # score of a class that the training side does not show


class SvmConfig(Options):
    """A linear machine, one class against the others (scikit-learn's LinearSVC)."""

    c: tuple[float, ...] = Field(
        default=(0.0001, 0.001, 0.01, 0.1, 1.0), min_length=1, description="inner validation chooses among these"
    )
    class_weights: Literal["none", "balanced"] = "balanced"
    iterations: int = Field(default=5000, ge=1, description="most passes of the solver")

    @property
    def augment(self) -> AugmentConfig:
        """Features are not augmented; prediction asks for the section."""
        return AugmentConfig()


def run(context: TrainContext) -> float:
    """Fit the folds of the shard one after another."""
    from fernas.training._shard import train_shard

    options: SvmConfig = context.options

    def fit_fold(start: "FoldStart") -> "Fitted":
        import numpy as np

        from fernas.learn.fit import Fitted

        task = start.task
        if not len(np.unique(task.train.labels)) > 1:
            raise ContractError(f"fold {task.fold}: a support vector machine needs two classes on the training side")
        if not len(task.inner) and len(options.c) > 1:
            raise ContractError(f"fold {task.fold}: C is chosen by inner validation, which has no samples; give one C")
        best: tuple[float, float] | None = None
        rows: list[dict[str, Any]] = []
        for number, c in enumerate(sorted(options.c)):
            weight, bias = fit_linear(task.train, len(context.classes), c, options, start.seed)
            row = {"epoch": number, "c": c, **_scores(weight, bias, task, len(context.classes))}
            rows.append(row)
            start.history.add({"fold": task.fold, **row}, fold=float(task.fold), epoch=float(number), c=c)
            uar = row.get("inner_uar", 0.0)
            if best is None or uar > best[0]:  # of equals the smaller C, which is the smoother machine
                best = (uar, c)
                load_linear(start.net, weight, bias)
        assert best is not None
        chosen = next(row["epoch"] for row in rows if row["c"] == best[1])
        return Fitted(chosen, best[0], 0, len(task.inner) * len(rows), None, rows)

    return train_shard(context, fit_fold)


def features(part: "ArrayPart") -> "np.ndarray":
    """The features of a part, float64 (N, F)."""
    return part.images.reshape(len(part), -1).astype("float64")


def fit_linear(
    train: "ArrayPart", classes: int, c: float, options: SvmConfig, seed: int
) -> "tuple[np.ndarray, np.ndarray]":
    """Fit on the training side; the standardisation, learned there too, is folded into the result.

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
        max_iter=options.iterations,
        random_state=derive_seed(seed, "svm") % 2**31,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        machine.fit(scaler.transform(x), train.labels)
    if any(issubclass(w.category, ConvergenceWarning) for w in caught):
        logger.warning("C = %g: not converged after %d passes", c, options.iterations)
    coefficients, intercepts = machine.coef_, machine.intercept_
    if len(machine.classes_) == 2:  # one machine that separates both
        coefficients, intercepts = (
            np.concatenate([-coefficients, coefficients]),
            np.concatenate([-intercepts, intercepts]),
        )
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

    trained = (features(task.train) @ weight.T + bias).argmax(1)
    found = {"accuracy": float(accuracy(task.train.labels, trained))}
    if len(task.inner):
        answers = (features(task.inner) @ weight.T + bias).argmax(1)
        scores = confusion_scores(task.inner.labels, answers, classes)
        found |= {f"inner_{name}": value for name, value in scores.items()}
    return found


PLUGIN = RecipePlugin("svm", "linear support vector machine", SvmConfig, run, features=True)
