"""The study's configuration: every key, its type, its default and what it means; unknown keys are errors."""

import os
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from fernas.core.errors import ConfigError, did_you_mean

LONGEST_NAME = 255  # bytes of a file name
MOST = 10_000  # of what becomes jobs: seeds, groups, shards


class Strict(BaseModel):
    """Base of all config sections: unknown keys are refused, and so are yes and no where a number is expected."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_number(cls, value: Any, info: ValidationInfo) -> Any:
        # pydantic takes true for 1
        kinds = {get_origin(kind) or kind for kind in _kinds(cls.model_fields[str(info.field_name)].annotation)}
        if isinstance(value, bool) and kinds & {int, float} and bool not in kinds:
            raise ValueError("expected a number")
        return value


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


class DatasetConfig(Strict):
    """Where a dataset comes from."""

    source: Literal["rendered", "real"] = Field(
        "rendered", description="synthetic (rendered) faces, or a real dataset under root"
    )
    adapter: str | None = Field(
        None, description="plug-in of fernas/datasets that reads it; none: the plug-in of the same name"
    )
    parts: tuple[str, ...] = Field((), description="several datasets of this config as one (a composite)")
    same_people_as: tuple[str, ...] = Field(
        (), description="datasets of this config that share subjects with it, in addition to what adapters know"
    )
    root: str | None = Field(None, description="folder (or file) of the real dataset; needed when source is real")
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
    crops: Literal["shipped", "aligned"] = Field(
        "shipped", description="crops that a dataset ships: taken whole, or aligned where their landmarks are found"
    )
    box_margin: float = Field(0.1, ge=0, description="margin around the box where only a box is known")
    nose_tip_fraction: float = Field(
        0.77, gt=0, le=1, description="nose tip on the way from the eyes' midpoint to the five-point model's nose base"
    )
    nose_drop: float = Field(
        0.55, gt=0, lt=2, description="nose tip below the eyes where only eyes are known, eye distances"
    )
    preview_px: int = Field(64, ge=16, le=512, description="size of the small previews")


class AuditConfig(Strict):
    """What stops a run at the audit of a dataset, and its duplicate search."""

    excluded: Literal["report", "fail"] = Field(
        "report",
        description="samples that cannot be used (broken images, frames that do not exist): fail stops the run",
    )
    counts: Literal["report", "fail"] = Field(
        "fail",
        description="counts of a real dataset that are not the published ones: report goes on with a part of it or "
        "another edition",
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
    no_face: Literal["centre_crop", "exclude"] = Field(
        "centre_crop", description="samples in which no face is detected"
    )

    @field_validator("classes")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("class names must differ")
        return value


class ViewConfig(BaseModel):
    """What a network sees: `kind`, and the options of that kind (its plug-in checks them)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str = Field("still", description="plug-in of fernas/views")

    @property
    def options(self) -> dict[str, Any]:
        """All keys but `kind`."""
        return dict(self.model_extra or {})


class PartsConfig(Strict):
    """Shares of a train split, by subject."""

    weights: float = Field(0.45, gt=0)
    selection: float = Field(0.35, gt=0)
    inner_validation: float = Field(0.2, gt=0)

    @model_validator(mode="after")
    def _sum(self) -> "PartsConfig":
        total = self.weights + self.selection + self.inner_validation
        # shares in decimals need not sum to 1 exactly
        if abs(total - 1) > 1e-6:
            raise ValueError(f"weights + selection + inner_validation must be 1, got {total:g}")
        return self


class ProtocolConfig(Strict):
    """How samples are split into folds."""

    kind: str = Field(description="plug-in of fernas/protocols")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the plug-in")
    groups: int = Field(2, ge=1, le=MOST, description="G: searches per dataset in scope per_group")
    # the number of searches must be known before any sample is read
    fold_count: int | None = Field(None, ge=2, le=MOST, description="number of folds, needed by scope per_fold")
    shards: int = Field(
        2, ge=1, le=MOST, description="training jobs per run; shard j holds the folds k with k mod shards = j"
    )
    parts: PartsConfig = PartsConfig()
    stratify: bool = Field(
        True, description="whether class counts, those of test subjects among them, steer folds and fold groups"
    )
    duplicates: Literal["report", "drop_train", "fail"] = Field(
        "drop_train", description="duplicates across train and test"
    )


LARGEST_PLAIN = 64  # px: beyond it the `auto` stem halves the side


class NetworkConfig(Strict):
    """Size of a searched network."""

    cells: int = Field(8, ge=1, le=200)
    channels: int = Field(24, ge=1, le=4096)
    stem: Literal["plain", "stride2", "auto"] = Field(
        "plain", description="stride of the first convolution: 1, 2, or 2 for images above 64 px (auto)"
    )
    aux: bool = False

    def at(self, side: int) -> "NetworkConfig":
        """The same with the stem that images of `side` pixels get."""
        if self.stem != "auto":
            return self
        return self.model_copy(update={"stem": "stride2" if side > LARGEST_PLAIN else "plain"})


class InitFrom(Strict):
    """The run whose architecture and weights another method takes over; its models are then kept."""

    task: str
    protocol: str
    method: str
    scope: Literal["per_group", "per_fold", "whole_dataset", "whole_matched", "published", "no_data"] = "per_group"
    fold: int | None = Field(
        None,
        ge=0,
        description="the fold whose weights are taken, 0 by default; within one task and protocol each fold starts "
        "from the same fold of the other run, and this is left out",
    )


class MethodConfig(Strict):
    """Search x space x recipe x view; or the ensemble of other methods (`combine`)."""

    search: str = Field("", description="plug-in of fernas/search; empty for an ensemble only")
    space: str | None = Field(None, description="plug-in of fernas/spaces; none for fixed networks")
    recipe: str = Field("plain", description="plug-in of fernas/training")
    search_options: dict[str, Any] = Field(default_factory=dict)
    recipe_options: dict[str, Any] = Field(default_factory=dict)
    network: NetworkConfig = NetworkConfig()
    scopes: tuple[Literal["per_group", "per_fold", "whole_dataset", "whole_matched", "published"], ...] = ("per_group",)
    search_seeds: int = Field(1, ge=1, le=MOST)
    train_seeds: int = Field(1, ge=1, le=MOST)
    budget_from: str | None = Field(None, description="method whose search budget limits this one")
    params_from: str | None = Field(
        None, description="method whose searched network, of the same fold group and seed, sets this one's parameters"
    )
    view: str | None = Field(None, description="what its networks see, a name of `views`; none: the view of the task")
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
    when: Literal["all", "named"] = Field("all", description="named: only when the target of the dataset is asked for")


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

    resamples: int = Field(2000, ge=100, le=100_000)
    level: float = Field(0.95, gt=0.5, lt=1)


class CheckpointConfig(Strict):
    """How often long jobs save."""

    every_s: float = Field(60.0, gt=0, description="at most this many seconds of work are lost by a kill")


class StudyConfig(Strict):
    """A whole study."""

    results: str = Field("results", description="folder of all results")
    seed: int = Field(1, strict=True, description="base of all seeds")
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    threads: int = Field(
        1, ge=1, le=1024, description="threads of a search or training job; results differ between thread counts"
    )
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

    @field_validator("results")
    @classmethod
    def _folder(cls, value: str) -> str:
        # Snakemake takes braces for wildcards, and `./x`, `x/` and `a//b` for other files than `x` and `a/b`
        if not value.strip() or not value.isprintable() or set(value) & set("{}"):
            raise ValueError("expected the path of a folder, without braces and control characters")
        folder = os.path.normpath(value)
        if set(folder) <= {".", "/"} or max(len(os.fsencode(name)) for name in folder.split("/")) > LONGEST_NAME:
            raise ValueError(f"expected a folder of its own, with names of at most {LONGEST_NAME} bytes")
        return folder


def parse_yaml(text: str, where: str) -> Any:
    """The value of a yaml text.

    Raises:
        ConfigError: no valid yaml, a value that is none (a date of month 13, a number of 5,000 digits), or lists in
            lists beyond the depth that the parser follows; one line.
    """
    import yaml

    try:
        return yaml.safe_load(text)
    except RecursionError as error:
        raise ConfigError(f"{where}: not valid yaml (nested too deeply)") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{where}: not valid yaml ({' '.join(str(error).split())})") from error


def validate_section(model: type[BaseModel], document: Any, where: str) -> Any:
    """Validate one section; the first error becomes a ConfigError with the key's path."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        # five at most: one wrong section can cause dozens of errors
        raise ConfigError("\n".join(_message(model, item, where) for item in error.errors()[:5])) from error


def _message(model: type[BaseModel], item: Any, where: str) -> str:
    key = ".".join(str(part) for part in item["loc"]) or "document"
    if item["type"] == "extra_forbidden":
        known = _fields_at(model, item["loc"][:-1])
        return f"{where}: {key}: unknown key{did_you_mean(str(item['loc'][-1]), known)}; known: {', '.join(known)}"
    if item["type"] == "missing":
        return f"{where}: {key}: missing, expected a value"
    return f"{where}: {key}: {item['msg']}, got {item['input']!r:.100}"


def _fields_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """The field names of the model at a location of the document."""
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
        model = _inner_model(argument)
        if model is not None:
            return model
    return None
