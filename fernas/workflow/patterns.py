"""The files of rules as patterns: a results layout whose names are the wildcards of the workflow."""

from fernas.study import ResultsLayout
from fernas.study.layout import RENDERED, Folder

CONSTRAINTS = {  # wildcard -> regular expression
    "dataset": "[a-z0-9_]+",
    "data": f"[a-z0-9_]+({RENDERED})?",
    "task": "[a-z0-9_-]+",
    "view": "[a-z0-9_-]+",
    "protocol": "[a-z0-9_-]+",
    "method": "[a-z0-9_]+",
    "scope": "per_group|per_fold|whole_dataset|whole_matched|published|no_data",
    "search_seed": "[0-9]+",
    "train_seed": "[0-9]+",
    "fold_group": "[0-9]+",
    "shard": "[0-9]+",
}


class Patterns:
    """The folders that rules write, with wildcards for names."""

    def __init__(self, layout: ResultsLayout) -> None:
        self.layout = layout
        self.rendered = layout.rendered("{dataset}")
        self.dataset = layout.dataset("{data}")
        self.task = layout.task("{task}")
        self.inputs = self.task.inputs("{view}")
        self.folds = self.task.folds("{protocol}")
        run = layout.run("{task}", "{protocol}", "{method}", "{scope}")
        self.search = run.search("{search_seed}", "{fold_group}")
        self.train = run.train("{search_seed}", "{train_seed}")
        self.shard = self.train.shard("{shard}")
        self.final = layout.final("{task}", "{protocol}", "{method}")

    def log(self, rule: str, folder: Folder | None = None, suffix: str = ".log") -> str:
        """The log of a rule that writes into a folder: `logs/<rule>/<first two names>/<the others, hyphened>.log`."""
        if folder is None:
            return str(self.layout.logs / f"{rule}{suffix}")
        names = folder.path.relative_to(self.layout.path).parts[1:]
        stem = "-".join(names[2:]) if len(names) > 2 else names[-1]
        above = names[:2] if len(names) > 2 else names[:-1]
        return str(self.layout.logs.joinpath(rule, *above, stem + suffix))

    def benchmark(self, rule: str, folder: Folder) -> str:
        """Where Snakemake writes the time and memory of a job: next to its log."""
        return self.log(rule, folder, ".tsv")
