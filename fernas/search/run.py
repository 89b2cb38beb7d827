"""Run one search from files to files: what the `search` rule and the command line call."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fernas.core import plugins
from fernas.core.architecture import Architecture, write_architecture
from fernas.core.budget import BudgetMeter
from fernas.core.config import MethodConfig, validate_section
from fernas.core.errors import ConfigError, ContractError
from fernas.core.io import read_json, read_npy, write_json, write_text
from fernas.learn.job import JobInputs, JobKind, JobTools, run_job
from fernas.search.context import PartSizes, SearchContext, SearchPlugin, SearchSize

SEARCH = JobKind("search", "search.jsonl", ("architecture.json", "cell.svg", "cost.json"))
PARTS = ("weights", "selection", "inner_validation")


@dataclass(frozen=True)
class SearchSpec:
    """What one search runs.

    Attributes:
        method: the method's section of the configuration.
        scope: which train split it works on; see `scope_parts`.
        fold_group: number of the fold group (of the fold for scope `per_fold`).
        limit: the method whose search budget on the same parts limits this search (`budget_from`), or None.
        source: the architecture of another run, for methods that start from one (`init_from`), or None.
    """

    method: MethodConfig
    scope: str
    fold_group: int
    limit: MethodConfig | None = None
    source: Path | None = None

    @classmethod
    def of(cls, section: dict[str, Any], scope: str, fold_group: int, source: Path | None = None) -> "SearchSpec":
        """From a rule's params: `section` holds the sections `method` and `limit` (or None) as plain values."""
        method = validate_section(MethodConfig, section["method"], "method")
        limit = section.get("limit")
        limit = None if limit is None else validate_section(MethodConfig, limit, "method of budget_from")
        return cls(method, scope, fold_group, limit, source)


def load_method(method: MethodConfig) -> tuple[SearchPlugin, Any]:
    """The search plug-in of a method and its validated search options."""
    plugin: SearchPlugin = plugins.load("search", method.search)
    options = validate_section(plugin.Config, method.search_options, f"search {method.search}: search_options")
    reason = plugin.skip(method.space)
    if reason:
        raise ConfigError(f"{method.search} cannot run on the space {method.space}: {reason}")
    return plugin, options


def scope_parts(document: dict[str, Any], scope: str, fold_group: int) -> dict[str, list[str]]:
    """The sample ids of the parts of the train split on which a search of this scope works.

    `per_group`: those of the fold group; `per_fold`: those of the fold of this number; `whole_dataset`: every subject,
    test subjects included (leaks, labelled); `whole_matched`: a subsample of that, by subject, as large as the groups'
    pools (for the optimism gap); `published`: a dataset with an official split, halved by position as Auto-FERNet did
    (leaks, labelled); `no_data`: the first group's, for shapes only (the plug-in declares that it reads no data).

    Raises:
        ContractError: there is no such group, fold or scope in the folds.
    """
    if scope in ("whole_dataset", "whole_matched"):
        entry = document["whole" if scope == "whole_dataset" else scope]
    elif scope == "published":
        if "published" not in document:
            raise ContractError("search scope 'published' halves a dataset by position; only the official split has it")
        entry = document["published"]
    elif scope == "no_data":
        entry = document["groups"][0]
    elif scope in ("per_group", "per_fold"):
        entries, key = (document["groups"], "group") if scope == "per_group" else (document["folds"], "fold")
        matching = [entry for entry in entries if entry[key] == fold_group]
        if len(matching) != 1:
            raise ContractError(f"folds: no {key} {fold_group} (known: {[entry[key] for entry in entries]})")
        entry = matching[0]
    else:
        raise ContractError(
            f"unknown search scope {scope!r}; expected per_group, per_fold, whole_dataset, whole_matched, published or "
            "no_data"
        )
    return {name: list(entry[name]) for name in PARTS}


def search_budget_macs(
    method: MethodConfig, classes: int, input_shape: tuple[int, int, int], parts: PartSizes
) -> float:
    """The multiply-accumulates that a method's search will spend on parts of these sizes, known before it runs.

    `input_shape`: (C, H, W) of one image.

    Raises:
        ConfigError: the method's budget is not known beforehand (it is itself limited by another's).
    """
    plugin, options = load_method(method)
    if not plugin.uses_data:
        return 0.0
    if plugin.budget is None:
        raise ConfigError(f"search {method.search}: its budget is not known beforehand, so it cannot limit another one")
    network = method.network.at(max(input_shape[1:]))
    return plugin.budget(options, SearchSize(method.space or "", network, classes, input_shape, parts))


def search_budget_for(spec: SearchSpec, inputs: Path, folds: Path) -> float:
    """As `search_budget_macs` for the method of `spec`, with the sizes read from the task's files."""
    document = read_json(folds)
    parts = scope_parts(document, spec.scope, spec.fold_group)
    # mapped: the shape alone is needed
    _, height, width, channels = read_npy(inputs, mmap=True).shape
    sizes = PartSizes(**{name: len(ids) for name, ids in parts.items()})
    return search_budget_macs(spec.method, len(document["classes"]), (channels, height, width), sizes)


def run_search(job: JobInputs, spec: SearchSpec) -> str:
    """Search one architecture; writes architecture.json, search.jsonl, cell.svg, cost.json, metrics.jsonl, status.json.

    How it ends, and that a killed search continues, is `fernas.learn.job.run_job`'s matter.

    Returns:
        The status: ok or failed.
    """
    plugin, options = load_method(spec.method)
    reference, limit_macs = None, None
    if spec.limit is not None:
        _, reference = load_method(spec.limit)
        # on the same parts: what the other method would spend in this very search
        limit = SearchSpec(spec.limit, spec.scope, spec.fold_group)
        limit_macs = search_budget_for(limit, job.inputs, job.folds)

    def work(tools: JobTools) -> dict[str, Any]:
        context = _context(job, spec, tools, options, BudgetMeter(limit_macs), reference)
        _write(job.out_dir, plugin.run(context), context)
        return {}

    return run_job(SEARCH, job, {"search": spec.method.search, "space": spec.method.space}, work)


def _context(
    job: JobInputs, spec: SearchSpec, tools: JobTools, options: Any, budget: BudgetMeter, reference: Any
) -> SearchContext:
    document = job.read_folds()
    inputs = job.read_inputs(list(document["classes"]))
    ids = scope_parts(document, spec.scope, spec.fold_group)
    parts = {name: inputs.part(ids[name]) for name in PARTS}
    return SearchContext(
        space=spec.method.space,
        weights=parts["weights"],
        selection=parts["selection"],
        inner_validation=parts["inner_validation"],
        classes=list(document["classes"]),
        input_shape=parts["weights"].input_shape,
        options=options,
        network=spec.method.network.at(max(parts["weights"].input_shape[1:])),
        seed=job.seed,
        budget=budget,
        checkpoint=tools.checkpoint,
        log=tools.log,
        history_path=tools.history_path,
        device=job.device,
        threads=job.threads,
        source=spec.source,
        reference=reference,
    )


def _write(out: Path, architecture: Architecture, context: SearchContext) -> None:
    from fernas.spaces.draw import draw_svg

    write_architecture(out / "architecture.json", architecture)
    write_text(out / "cell.svg", draw_svg(architecture))
    write_json(out / "cost.json", context.cost())
