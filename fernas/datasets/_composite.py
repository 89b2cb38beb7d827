"""Several datasets of a config as one, for protocols across datasets."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fernas.datasets._base import Adapter, DatasetSpec, Options

if TYPE_CHECKING:
    import pandas as pd


class Composite(Adapter):
    """All samples of its parts; ids, subjects, dataset and frames stay those of the parts.

    Args:
        name: its name in the config.
        parts: dataset -> adapter.
    """

    def __init__(self, name: str, parts: Mapping[str, Adapter]) -> None:
        specs = {part: adapter.spec for part, adapter in parts.items()}
        labels = [spec.labels_allowed for spec in specs.values()]
        self.spec = DatasetSpec(
            name=name,
            title=" + ".join(dict.fromkeys(spec.title for spec in specs.values())),
            kind="clips" if all(spec.kind == "clips" for spec in specs.values()) else "stills",
            classes=tuple(dict.fromkeys(name for names in labels for name in names)) if all(labels) else (),
            licence="the licences of its parts",
            citation="; ".join(dict.fromkeys(spec.citation for spec in specs.values())),
            homepage="see its parts",
            parts=tuple(specs),
            frame_rule="as in the parts",
            protocol="cross_dataset or leave_one_dataset_out",
        )

    def merge(self, parts: "dict[str, pd.DataFrame]", options: Options) -> "pd.DataFrame":
        """The composite's manifest."""
        from fernas.datasets._rows import merged

        problems = [f"{part}: {text}" for part, table in parts.items() for text in table.attrs.get("problems", [])]
        return merged(parts.values(), problems)
