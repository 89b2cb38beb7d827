"""The study's configuration: every key, its type, its default and what it means; unknown keys are errors."""

import re
from pathlib import Path
from typing import Any, Literal, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fernas.core import composites, plugins
from fernas.core.errors import ConfigError, did_you_mean, unknown

NAMES = {  # they become folders and wildcards: nothing else may stand in them
    "datasets": r"[a-z0-9][a-z0-9_]*",
    "methods": r"[a-z0-9][a-z0-9_]*",
    "views": r"[a-z0-9][a-z0-9_-]*",
    "tasks": r"[a-z0-9][a-z0-9_-]*",
    "protocols": r"[a-z0-9][a-z0-9_-]*",
}


class Strict(BaseModel):
    """Base of all config sections: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetConfig(Strict):
    """Where a dataset comes from."""

    source: Literal["rendered", "real"] = Field("rendered", description="rendered faces, or a real copy under root")
    adapter: str | None = Field(
        None, description="plug-in of fernas/datasets that reads it; none: the one of the dataset's own name"
    )
    parts: tuple[str, ...] = Field((), description="several datasets of this config as one (a composite)")
    same_people_as: tuple[str, ...] = Field(
        (), description="datasets of this config that show some of the same people, beyond what adapters know"
    )
    root: str | None = Field(None, description="folder (or file) of the real copy; needed when source is real")
    rendered: dict[str, Any] = Field(default_factory=dict, description="options of the renderer's layout writer")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the adapter")


class FacesConfig(Strict):
    """Face detection and alignment."""

    detectors: tuple[Literal["dlib", "haar", "dataset_box"], ...] = Field(
        ("dlib", "haar", "dataset_box"), description="tried in this order"
    )
    landmarkers: tuple[Literal["dlib5", "eye_cascades", "dataset"], ...] = Field(
        ("dlib5", "eye_cascades", "dataset"), description="tried in this order inside the box"
    )
    landmark_model: str | None = Field(
        None, description="a dlib shape predictor file to use instead of the five-point one"
    )
    upsample_below_px: int = Field(300, ge=0, description="images with a shorter side below this are upsampled once")
    max_tries: int = Field(5, ge=1, description="frames of a clip that are tried before it counts as faceless")
    eye_line: float = Field(
        0.34, gt=0, lt=1, description="height of the eye line in the aligned face, 0 top to 1 bottom"
    )
    eye_distance: float = Field(0.38, gt=0, lt=1, description="distance between the eye centres, fraction of the width")
    box_margin: float = Field(0.1, ge=0, description="margin around the box where only a box is known")
    nose_tip_fraction: float = Field(
        0.77, gt=0, le=1, description="nose tip on the way from the eyes' midpoint to the five-point model's nose base"
    )
    nose_drop: float = Field(
        0.55, gt=0, lt=2, description="nose tip below the eyes where only eyes are known, eye distances"
    )
    preview_px: int = Field(64, ge=16, description="size of the small previews")


class AuditConfig(Strict):
    """What stops a run at the audit of a dataset, and its duplicate search."""

    excluded: Literal["report", "fail"] = Field(
        "report",
        description="samples that cannot be used (broken images, frames that do not exist): fail stops the run",
    )
    hash_distance: int = Field(4, ge=0, le=16, description="largest perceptual-hash distance of a near-duplicate")
    correlation: float = Field(0.98, gt=0, le=1, description="pixel correlation that confirms a near-duplicate")


class FrameRule(Strict):
    """Which frames of a sample become inputs."""

    kind: Literal["still", "peak", "clip"] = Field("still", description="still images, peak frames, or whole clips")
    peak: int = Field(3, ge=1, description="peak frames per sequence")
    neutral: int = Field(1, ge=0, description="first frames per sequence taken as neutral, where neutral is a class")
    neutral_from: Literal["sequence", "subject"] = Field(
        "sequence", description="neutral frames of each sequence, or of each subject's first sequence only"
    )


class TaskConfig(Strict):
    """Dataset + class set + frame rule: one block of the tables."""

    dataset: str
    classes: tuple[str, ...] = Field(min_length=2)
    label_map: dict[str, str] = Field(default_factory=dict, description="canonical label -> class of this task")
    frames: FrameRule = FrameRule()
    view: str = Field(description="what the networks see, a name of `views`")
    rare: Literal["error", "drop", "keep"] = Field("drop", description="what happens to classes below the minimum")
    min_subjects: int = Field(2, ge=1, description="fewest subjects of a class")
    min_samples: int = Field(5, ge=1, description="fewest samples of a class")
    no_face: Literal["centre_crop", "exclude"] = Field("centre_crop", description="samples in which no face was found")

    @field_validator("classes")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("class names must differ")
        return value


class ViewConfig(BaseModel):
    """What a network sees: `kind`, and beside it the options of that view (its plug-in checks them)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str = Field("still", description="plug-in of fernas/views")

    @property
    def options(self) -> dict[str, Any]:
        """All keys but `kind`."""
        return dict(self.model_extra or {})


class PartsConfig(Strict):
    """Shares of a training side, by subject."""

    weights: float = Field(0.45, gt=0)
    selection: float = Field(0.35, gt=0)
    inner_validation: float = Field(0.2, gt=0)

    @model_validator(mode="after")
    def _sum(self) -> "PartsConfig":
        total = self.weights + self.selection + self.inner_validation
        if abs(total - 1) > 1e-6:
            raise ValueError(f"weights + selection + inner_validation must be 1, got {total:g}")
        return self


class ProtocolConfig(Strict):
    """How samples are split into folds."""

    kind: str = Field(description="plug-in of fernas/protocols")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the plug-in")
    groups: int = Field(2, ge=1, description="G: searches per dataset in scope per_group")
    fold_count: int | None = Field(None, ge=2, description="number of folds, needed by scope per_fold")
    shards: int = Field(2, ge=1, description="training jobs per run; shard j holds the folds k with k mod shards = j")
    parts: PartsConfig = PartsConfig()
    duplicates: Literal["report", "drop_train", "fail"] = Field("drop_train", description="duplicates across sides")


class NetworkConfig(Strict):
    """Size of a searched network."""

    cells: int = Field(8, ge=1)
    channels: int = Field(24, ge=1)
    stem: Literal["plain", "stride2"] = "plain"
    aux: bool = False


class InitFrom(Strict):
    """The run whose architecture and weights another method takes over; its models are then kept."""

    task: str
    protocol: str
    method: str
    scope: Literal["per_group", "per_fold", "whole_dataset", "whole_matched", "published", "no_data"] = "per_group"
    fold: int = Field(0, ge=0, description="the fold whose weights are taken; an official split has fold 0 alone")


class MethodConfig(Strict):
    """Search x space x recipe x view; or the ensemble of other methods (`combine`)."""

    search: str = Field("", description="plug-in of fernas/search; empty for an ensemble only")
    space: str | None = Field(None, description="plug-in of fernas/spaces; none for fixed networks")
    recipe: str = Field("plain", description="plug-in of fernas/training")
    search_options: dict[str, Any] = Field(default_factory=dict)
    recipe_options: dict[str, Any] = Field(default_factory=dict)
    network: NetworkConfig = NetworkConfig()
    scopes: tuple[Literal["per_group", "per_fold", "whole_dataset", "whole_matched", "published"], ...] = ("per_group",)
    search_seeds: int = Field(1, ge=1)
    train_seeds: int = Field(1, ge=1)
    budget_from: str | None = Field(None, description="method whose search budget limits this one")
    params_from: str | None = Field(
        None, description="method whose found network, of the same group and seed, sets this one's number of parameters"
    )
    view: str | None = Field(None, description="what its networks see, a name of `views`; none: the task's view")
    combine: tuple[str, ...] = Field(
        (), description="an ensemble: every trained repetition of these methods, by the mean log-probability"
    )
    init_from: InitFrom | None = Field(None, description="take architecture and weights from another run (transfer)")
    extra_data: bool = Field(False, description="whether the method uses data beyond its dataset")
    mem_mb: int = Field(1500, ge=100, description="memory of one search or training job")


class StudyEntry(Strict):
    """Methods to run on a task under a protocol."""

    task: str
    protocol: str
    methods: tuple[str, ...] = Field(min_length=1)
    when: Literal["all", "named"] = Field("all", description="named: only when the dataset's own target is asked for")


class FinalEntry(Strict):
    """A model to train on all subjects of a task, for use; its accuracy is that of the cross-validation."""

    task: str
    protocol: str
    method: str


class TrackingConfig(Strict):
    """The MLflow mirror."""

    enabled: bool = True
    uri: str | None = Field(None, description="store; default sqlite:///<results>/mlflow.db")
    every_s: float = Field(5.0, gt=0, description="seconds between two looks for news")
    real_faces: bool = Field(False, description="allow images of real people in the store and in reports")


class ScoringConfig(Strict):
    """Intervals."""

    resamples: int = Field(2000, ge=100)
    level: float = Field(0.95, gt=0.5, lt=1)


class CheckpointConfig(Strict):
    """How often long jobs save."""

    every_s: float = Field(60.0, gt=0, description="at most this many seconds of work are lost by a kill")


class StudyConfig(Strict):
    """A whole study."""

    results: str = Field("results", description="folder of all results")
    seed: int = Field(1, description="base of all seeds")
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    threads: int = Field(1, ge=1, description="threads of a search or training job; results are kept per thread count")
    code_digest: Literal["strict", "frozen"] = Field("strict", description="frozen: code changes rerun nothing")
    keep_models: bool = Field(False, description="keep trained weights after prediction")
    tracking: TrackingConfig = TrackingConfig()
    scoring: ScoringConfig = ScoringConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    faces: FacesConfig = FacesConfig()
    audit: AuditConfig = AuditConfig()
    datasets: dict[str, DatasetConfig]
    views: dict[str, ViewConfig]
    tasks: dict[str, TaskConfig]
    protocols: dict[str, ProtocolConfig]
    methods: dict[str, MethodConfig]
    study: tuple[StudyEntry, ...]
    final: tuple[FinalEntry, ...] = Field((), description="models on all subjects, trained when `final` is asked for")


def load_config(path: Path | str) -> StudyConfig:
    """Read and check a config file; a ConfigError names the key, what it holds and what is expected."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid yaml ({error})") from error
    return parse_config(document, str(path))


def parse_config(document: Any, where: str = "config.yaml") -> StudyConfig:
    """Check a config document (a mapping as yaml gives it)."""
    if not isinstance(document, dict):
        raise ConfigError(f"{where}: expected a mapping of sections, got {type(document).__name__}")
    config = validate_section(StudyConfig, document, where)
    _check_names(config, where)
    _check_datasets(config, where)
    _check_references(config, where)
    _check_plugins(config, where)
    listed = {(entry.task, entry.protocol, name) for entry in config.study for name in entry.methods}
    for number, model in enumerate(config.final):
        if (model.task, model.protocol, model.method) not in listed:
            raise ConfigError(
                f"{where}: final.{number}: {model.method} on {model.task} under {model.protocol} is not in the study"
            )
        if config.methods[model.method].combine or config.methods[model.method].init_from:
            raise ConfigError(f"{where}: final.{number}: {model.method} rests on other runs; expected one that doesn't")
    for entry in config.study:
        for name in entry.methods:
            if reason := unfit(config, entry.task, name):
                raise ConfigError(f"{where}: study: {name} on {entry.task}: {reason}")
    _check_classes(config, where)
    _check_composition(config, where)
    return config


def unfit(config: StudyConfig, task: str, method: str) -> str | None:
    """Why a method makes no sense on a task, or None: its view needs clips, or features where it wants images."""
    settings = config.methods[method]
    if settings.combine:
        return None
    name = settings.view or config.tasks[task].view
    view = config.views[name]
    plugin = plugins.load("views", view.kind)
    if plugin.needs_clips and config.tasks[task].frames.kind != "clip":
        return f"its view {name} ({view.kind}) is made of clips, the samples of {task} are images"
    if plugin.holds_features != plugins.load("training", settings.recipe).features:
        wants = "images" if plugin.holds_features else "features"
        return f"its recipe {settings.recipe} works on {wants}, its view {name} is of kind {view.kind}"
    return None


def _check_names(config: StudyConfig, where: str) -> None:
    for section, pattern in NAMES.items():
        for name in getattr(config, section):
            if not re.fullmatch(pattern, name):
                raise ConfigError(f"{where}: {section}: the name {name!r:.80} is not of the form {pattern}")
            if section in ("datasets", "tasks") and name.endswith("-rendered"):
                raise ConfigError(f"{where}: {section}: the name {name!r} ends in -rendered, which fernas adds itself")


def validate_section(model: type[BaseModel], document: Any, where: str) -> Any:
    """Validate one section; the first error becomes a ConfigError with the key's path."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise ConfigError("\n".join(_message(model, item, where) for item in error.errors()[:5])) from error


def _message(model: type[BaseModel], item: Any, where: str) -> str:
    place = ".".join(str(part) for part in item["loc"]) or "document"
    if item["type"] == "extra_forbidden":
        known = _fields_at(model, item["loc"][:-1])
        return f"{where}: {place}: unknown key{did_you_mean(str(item['loc'][-1]), known)}"
    if item["type"] == "missing":
        return f"{where}: {place}: missing, expected a value"
    return f"{where}: {place}: {item['msg']}, got {item['input']!r:.100}"


def _fields_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """The field names of the model that stands at a location of the document."""
    current: Any = model
    is_key = False  # the name or the number of an entry of a mapping or a list
    for part in location:
        if is_key:
            is_key = False
        elif isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            current = _inner_model(field.annotation) if field else None
            is_key = field is not None and get_origin(field.annotation) in (dict, tuple, list)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _inner_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner_model(argument)
        if found is not None:
            return found
    return None


def _check_references(config: StudyConfig, where: str) -> None:
    for section in ("datasets", "views", "tasks", "protocols", "methods"):
        for name in getattr(config, section):
            if not set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-"):
                raise ConfigError(f"{where}: {section}.{name}: names are made of a-z, 0-9, _ and -")
    for name, task in config.tasks.items():
        if task.dataset not in config.datasets:
            raise unknown(f"{where}: tasks.{name}.dataset", task.dataset, config.datasets)
        if task.view not in config.views:
            raise unknown(f"{where}: tasks.{name}.view", task.view, config.views)
        for label, target in task.label_map.items():
            if target not in task.classes:
                raise unknown(f"{where}: tasks.{name}.label_map.{label}", target, task.classes)
    for name, method in config.methods.items():
        if method.budget_from is not None and method.budget_from not in config.methods:
            raise unknown(f"{where}: methods.{name}.budget_from", method.budget_from, config.methods)
        if method.params_from is not None:
            _check_params_from(config, f"{where}: methods.{name}.params_from", method)
        if method.view is not None and method.view not in config.views:
            raise unknown(f"{where}: methods.{name}.view", method.view, config.views)
        _check_combine(config, f"{where}: methods.{name}", method)
        _check_source(config, f"{where}: methods.{name}", name, method)
    seen: set[tuple[str, str, str]] = set()
    for position, entry in enumerate(config.study):
        place = f"{where}: study.{position}"
        if entry.task not in config.tasks:
            raise unknown(f"{place}.task", entry.task, config.tasks)
        if entry.protocol not in config.protocols:
            raise unknown(f"{place}.protocol", entry.protocol, config.protocols)
        for method_name in entry.methods:
            if method_name not in config.methods:
                raise unknown(f"{place}.methods", method_name, config.methods)
            key = (entry.task, entry.protocol, method_name)
            if key in seen:
                raise ConfigError(f"{place}: {method_name} on {entry.task} under {entry.protocol} stands there twice")
            seen.add(key)
    _check_study(config, where, seen)


def _check_combine(config: StudyConfig, place: str, method: MethodConfig) -> None:
    """An ensemble has members and nothing else; the members are methods that are trained."""
    if not method.combine:
        if not method.search:
            raise ConfigError(f"{place}.search: missing, expected a plug-in of fernas/search (or `combine`)")
        return
    given = sorted(method.model_fields_set - {"combine", "scopes", "extra_data"})
    if given:
        raise ConfigError(f"{place}: an ensemble (combine) has no {', '.join(given)} of its own")
    for member in method.combine:
        if member not in config.methods:
            raise unknown(f"{place}.combine", member, config.methods)
        if config.methods[member].combine:
            raise ConfigError(f"{place}.combine: {member} is itself an ensemble; name its members")


def _check_params_from(config: StudyConfig, place: str, method: MethodConfig) -> None:
    """The other method is searched for in the same scopes, and takes its own size from nobody."""
    other = config.methods.get(method.params_from or "")
    if other is None:
        raise unknown(place, str(method.params_from), config.methods)
    if other.combine or other.params_from is not None or not set(method.scopes) <= set(other.scopes):
        raise ConfigError(f"{place}: {method.params_from} is not a method with a search in {', '.join(method.scopes)}")


def _check_source(config: StudyConfig, place: str, name: str, method: MethodConfig) -> None:
    """What a method takes over must be a trained method; the people of its dataset are judged by the task."""
    source = method.init_from
    if source is None:
        return
    for key, value, known in (
        ("task", source.task, config.tasks),
        ("protocol", source.protocol, config.protocols),
        ("method", source.method, config.methods),
    ):
        if value not in known:
            raise unknown(f"{place}.init_from.{key}", value, known)
    seen = [name]
    start: InitFrom | None = source
    while start is not None and start.method in config.methods:
        if start.method in seen or config.methods[start.method].combine:
            raise ConfigError(f"{place}.init_from.method: {start.method} is not a method that is trained before {name}")
        seen.append(start.method)
        start = config.methods[start.method].init_from


def _check_study(config: StudyConfig, where: str, entries: set[tuple[str, str, str]]) -> None:
    """Ensembles need their members on the same task; what is taken over must be in the study and show other people."""
    for task, protocol, name in sorted(entries):
        method = config.methods[name]
        kind = config.protocols[protocol].kind
        if "published" in method.scopes and kind != "official":
            raise ConfigError(
                f"{where}: methods.{name}.scopes: published halves a dataset by position and needs a protocol of kind "
                f"official, got {protocol} ({kind})"
            )
        for member in method.combine:
            if (task, protocol, member) not in entries:
                raise ConfigError(
                    f"{where}: study: {name} on {task} under {protocol} combines {member}, which is not run there"
                )
        source = method.init_from
        if source is None:
            continue
        if (source.task, source.protocol, source.method) not in entries:
            raise ConfigError(
                f"{where}: study: {name} starts from {source.method} on {source.task} under {source.protocol}, "
                f"which is not in the study"
            )
        own, other = config.tasks[task].dataset, config.tasks[source.task].dataset
        shared = own == other or composites.same_people(config, [own, other])[own]
        if (task, protocol) != (source.task, source.protocol) and shared:
            raise ConfigError(
                f"{where}: study: {name} on {task} starts from {other}, which shows the same people as {own}"
            )
        if own != other and not method.extra_data:
            raise ConfigError(
                f"{where}: methods.{name}: on {task} it takes over what was learned from {other}; say extra_data: true"
            )


def _check_datasets(config: StudyConfig, where: str) -> None:
    for name, dataset in config.datasets.items():
        place = f"{where}: datasets.{name}"
        if not set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_"):
            raise ConfigError(f"{place}: names of datasets are made of a-z, 0-9 and _")
        for other in dataset.same_people_as:
            if other not in config.datasets:
                raise unknown(f"{place}.same_people_as", other, config.datasets)
        if dataset.parts:
            _check_own_composite(config, place, name, dataset)
            continue
        adapter = _load(
            place if dataset.adapter is None else f"{place}.adapter", "datasets", composites.adapter_name(config, name)
        )
        validate_section(adapter.Config, dataset.options, f"{place}.options")
        parts = tuple(adapter.spec.parts)
        for part in parts:
            if part not in config.datasets:
                raise ConfigError(f"{place}: is made of {', '.join(parts)}; {part} is not configured")
        if parts:
            _one_source(config, place, parts, dataset)
        elif dataset.source == "rendered":
            layout = _load(place, "synth/layouts", composites.adapter_name(config, name))
            validate_section(layout.Config, dataset.rendered, f"{place}.rendered")


def _check_classes(config: StudyConfig, where: str) -> None:
    """A class that only resembles one of the dataset is a slip; other unknown ones may be raw labels of the copy."""
    for name, task in config.tasks.items():
        known = {"neutral", *task.label_map.values()}
        for part in config.datasets[task.dataset].parts or (task.dataset,):
            known |= set(plugins.load("datasets", config.datasets[part].adapter or part).spec.classes)
        for label in task.classes:
            if label not in known and did_you_mean(label, known):
                raise unknown(f"{where}: tasks.{name}.classes", label, known)


def _check_own_composite(config: StudyConfig, place: str, name: str, dataset: DatasetConfig) -> None:
    """The parts of a composite of the config are at least two other datasets, none of them a composite."""
    given = sorted(dataset.model_fields_set - {"parts", "source"})
    if given:
        raise ConfigError(f"{place}: a composite (parts) has no {', '.join(given)} of its own; its parts have")
    if name in plugins.available("datasets"):
        raise ConfigError(f"{place}: an adapter has this name; call the composite otherwise")
    for part in dataset.parts:
        if part not in config.datasets:
            raise unknown(f"{place}.parts", part, config.datasets)
        if config.datasets[part].parts or composites.parts_of(config, part):
            raise ConfigError(f"{place}.parts: {part} is itself a composite; name its parts")
    if len(set(dataset.parts)) != len(dataset.parts) or len(dataset.parts) < 2:
        raise ConfigError(f"{place}.parts: got {list(dataset.parts)}, expected at least two different datasets")
    _one_source(config, place, dataset.parts, dataset)


def _one_source(config: StudyConfig, place: str, parts: tuple[str, ...], dataset: DatasetConfig) -> None:
    """Rendered and real faces never stand in one composite; its own `source` may be left out."""
    sources = {config.datasets[part].source for part in parts}
    if "source" in dataset.model_fields_set:
        sources.add(dataset.source)
    if len(sources) > 1:
        raise ConfigError(f"{place}: it and its parts must have one source, got {sorted(sources)}")


def _check_composition(config: StudyConfig, where: str) -> None:
    """Protocols see before anything runs which datasets a task holds and which of them show the same people."""
    for at, entry in enumerate(config.study):
        protocol = config.protocols[entry.protocol]
        sources = composites.sources_of(config, config.tasks[entry.task].dataset)
        plugin = plugins.load("protocols", protocol.kind)
        plugin.check_datasets(
            sources,
            composites.same_people(config, sources),
            plugin.Config.model_validate(protocol.options),
            f"{where}: study.{at}: {entry.task} under {entry.protocol}",
        )


def _check_plugins(config: StudyConfig, where: str) -> None:
    for name, view in config.views.items():
        plugin = _load(f"{where}: views.{name}.kind", "views", view.kind)
        validate_section(plugin.Config, view.options, f"{where}: views.{name}")
    for name, protocol in config.protocols.items():
        plugin = _load(f"{where}: protocols.{name}.kind", "protocols", protocol.kind)
        validate_section(plugin.Config, protocol.options, f"{where}: protocols.{name}.options")
    for name, method in config.methods.items():
        place = f"{where}: methods.{name}"
        if method.combine:
            continue
        search = _load(f"{place}.search", "search", method.search)
        validate_section(search.Config, method.search_options, f"{place}.search_options")
        if method.space is not None and method.space not in plugins.available("spaces"):
            raise unknown(f"{place}.space", method.space, plugins.available("spaces"))
        recipe = _load(f"{place}.recipe", "training", method.recipe)
        validate_section(recipe.Config, method.recipe_options, f"{place}.recipe_options")
        if method.space is not None and (reason := search.skip(method.space)):
            raise ConfigError(f"{place}: {method.search} cannot run on the space {method.space}: {reason}")


def _load(where: str, kind: str, name: str) -> Any:
    if name not in plugins.available(kind):
        raise unknown(where, name, plugins.available(kind))
    return plugins.load(kind, name)
