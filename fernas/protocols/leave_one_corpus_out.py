"""Leave one corpus out: one fold per corpus of a composite, trained on all others."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fernas.core.config import Strict
from fernas.core.errors import ConfigError, DataError
from fernas.protocols._base import Fold, Protocol, checked, common_classes, ids, naturally, refuse_same_people

if TYPE_CHECKING:
    import pandas as pd


class LeaveOneCorpusOutConfig(Strict):
    """Options of `leave_one_corpus_out`: none."""


class LeaveOneCorpusOut(Protocol):
    """Leave one corpus out."""

    name = "leave_one_corpus_out"
    title = "leave one corpus out"
    Config = LeaveOneCorpusOutConfig

    def check_corpora(
        self, corpora: Sequence[str], same_people: Mapping[str, Sequence[str]], options: Any, where: str
    ) -> None:
        """A task of one corpus leaves none to train on."""
        if len(corpora) < 2:
            raise ConfigError(f"{where}: {self.name} got one corpus ({corpora[0]}), expected at least two")
        super().check_corpora(corpora, same_people, options, where)

    def split(self, table: "pd.DataFrame", options: Any, seed: int) -> list[Fold]:
        """One fold per corpus, with the classes that its own samples and the others have in common."""
        self.options(options)
        where = f"protocol {self.name}"
        rows = checked(table, where)
        corpora = naturally(rows["dataset"])
        if len(corpora) < 2:
            raise DataError(f"{where}: got one corpus ({corpora[0]}), expected at least two")
        folds = []
        for corpus in corpora:
            others = [other for other in corpora if other != corpus]
            refuse_same_people(rows, others, [corpus], where)
            train, test = rows[rows["dataset"] != corpus], rows[rows["dataset"] == corpus]
            shared = common_classes(train, test, f"{where}: fold {corpus}")
            folds.append(Fold(corpus, ids(train[train["label"].isin(shared)]), ids(test[test["label"].isin(shared)])))
        return folds

    def note(self, table: "pd.DataFrame", options: Any) -> str:
        """Names the corpora."""
        return f"{self.title}: {', '.join(naturally(table['dataset']))}"


PLUGIN = LeaveOneCorpusOut()
