"""k folds that never split a subject: class-balanced, or CK+'s habit of sorted subjects modulo k."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from fernas.core.config import Strict
from fernas.core.errors import DataError
from fernas.core.seeds import derive_seed
from fernas.protocols._base import Fold, Protocol, checked, folds_by_unit, naturally, unit_word
from fernas.protocols.counts import Counts

if TYPE_CHECKING:
    import pandas as pd


class SubjectKfoldConfig(Strict):
    """Options of `subject_kfold`."""

    folds: int = Field(10, ge=2, description="number of folds")
    assignment: Literal["balanced", "modulo"] = Field(
        "balanced", description="balanced: classes evenly over folds, by seed; modulo: sorted subjects modulo the folds"
    )


class SubjectKfold(Protocol):
    """Subject-independent k-fold; sequences take the place of subjects in datasets without them."""

    name = "subject_kfold"
    title = "subject-independent k-fold"
    Config = SubjectKfoldConfig

    def split(self, table: "pd.DataFrame", options: Any, seed: int) -> list[Fold]:
        """`folds` folds; each subject is tested once."""
        config = self.options(options)
        where = f"protocol {self.name}"
        rows = checked(table, where)
        units = naturally(rows["unit"])
        if len(units) < config.folds:
            raise DataError(
                f"{where}: got {len(units)} {unit_word(rows)}, fewer {unit_word(rows)} than folds ({config.folds})"
            )
        if config.assignment == "modulo":
            # CK+: subjects in ascending order, every tenth in one fold
            fold_of = {unit: position % config.folds for position, unit in enumerate(units)}
        else:
            fold_of = _balanced(rows, config.folds, seed)
        return folds_by_unit(rows, fold_of, [f"fold{k}" for k in range(config.folds)])

    def is_stratified(self, options: Any) -> bool:
        """Balanced folds are."""
        return bool(self.options(options).assignment == "balanced")

    def count_folds(self, options: Any, counts: Counts) -> int:
        """As many as the options say."""
        return int(self.options(options).folds)

    def note(self, table: "pd.DataFrame", options: Any) -> str:
        """Says the number of folds and how subjects are assigned to them."""
        config = self.options(options)
        how = "sorted subjects modulo the folds" if config.assignment == "modulo" else "class-balanced"
        units = table["subject"].fillna(table["group"]).nunique()
        return f"subject-independent {config.folds}-fold ({how}), {units} {unit_word(table)}"


def _balanced(rows: "pd.DataFrame", folds: int, seed: int) -> dict[str, int]:
    """scikit-learn's StratifiedGroupKFold; where that leaves a fold empty, `assign_units`."""
    import warnings

    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold

    state = derive_seed(seed, "subject_kfold", folds)
    units, labels = rows["unit"].to_numpy(str), rows["label"].to_numpy(str)
    # StratifiedGroupKFold raises when every class has fewer samples than folds.
    if (np.unique(labels, return_counts=True)[1] >= folds).any():
        splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=state)
        with warnings.catch_warnings():
            # it warns of classes with fewer samples than folds, which rare expressions often are
            warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
            tests = [test for _, test in splitter.split(labels, labels, units)]
        if all(len(test) for test in tests):
            return {str(unit): k for k, test in enumerate(tests) for unit in units[test]}
    from fernas.protocols._stratify import assign_units, class_counts

    names, counts = class_counts(units, labels)
    fold = assign_units(counts, np.full(folds, 1 / folds), np.random.default_rng(state))
    return {str(name): int(k) for name, k in zip(names, fold, strict=True)}


PLUGIN = SubjectKfold()
