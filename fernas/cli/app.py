"""The commands of fernas, with stable names and options. Each imports what it needs when it runs."""

import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fernas.cli.output import emit, print_table, refuse_taken
from fernas.core import log

if TYPE_CHECKING:
    from fernas.metrics import Metric

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A reproducible benchmark of neural architecture search for facial-expression recognition.",
)
track = typer.Typer(no_args_is_help=True, help="Mirror results into MLflow.")
app.add_typer(track, name="track")

# Latency is that of 22 passes: the largest published networks have 1.2e9 bytes of weights and 2e11 multiply-adds.
MAX_WEIGHT_BYTES = 2_000_000_000
MAX_MACS = 500_000_000_000

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Force = Annotated[bool, typer.Option("--force", help="write although something is there, or although it is an input")]
ConfigFile = Annotated[Path, typer.Argument(help="the study's config file")]


@app.callback()
def _setup(verbose: Annotated[bool, typer.Option("--verbose", "-v", help="more messages on stderr")] = False) -> None:
    log.to_stderr(verbose)


@app.command()
def check(config: ConfigFile = Path("config.yaml"), json: Json = False) -> None:
    """Check a config: keys, types, names, roots of real datasets."""
    from fernas.core.errors import ConfigError
    from fernas.study import Study
    from fernas.study.runs import SCOPE_LEAKS, inherited_leaks
    from fernas.tracking.follow import check_uri
    from fernas.workflow.targets import count_jobs

    study = Study.load(config)
    for name, dataset in study.config.datasets.items():
        if dataset.source == "real" and dataset.root is not None and not Path(dataset.root).exists():
            raise ConfigError(
                f"{config}: datasets.{name}.root: {dataset.root} does not exist, expected the dataset root"
            )
    model = study.config.faces.landmark_model
    if model is not None and not Path(model).is_file():
        raise ConfigError(f"{config}: faces.landmark_model: {model} does not exist, expected a dlib shape predictor")
    if study.config.tracking.uri is not None:
        check_uri(study.config.tracking.uri)
    jobs = count_jobs(study)
    leaks = [
        f"{run.task}, {run.protocol}, {run.method} ({run.scope}): {text}"
        for run in study.runs()
        for text in [
            *([SCOPE_LEAKS[run.scope]] if run.scope in SCOPE_LEAKS else []),
            *inherited_leaks(study, run.task, run.protocol, run.method, run.scope),
        ]
    ]
    document = {
        "config": str(config),
        "runs": len(list(study.runs())),
        "jobs": sum(jobs.values()),
        "skipped": [f"{task}: {reason}" for task, reason in study.skipped],
        "search_leaks": leaks,
    }
    emit(document, json, "config is valid")


@app.command()
def plan(
    config: ConfigFile = Path("config.yaml"),
    targets: Annotated[list[str] | None, typer.Argument(help="datasets whose targets are planned; none: all")] = None,
    nodes: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="simulate the schedule on this many nodes")
    ] = None,
    cores: Annotated[int, typer.Option(min=1, max=10_000, help="cores per node of the simulation")] = 1,
    json: Json = False,
) -> None:
    """Estimate jobs, core-hours, disk and memory of a study, or of the targets of some datasets, before it starts.

    The hours are those of processor cores. With --nodes it also says when the study will end.
    """
    from fernas.cli.planning import estimate
    from fernas.cli.schedule import outlook
    from fernas.study import Study

    study = Study.load(config)
    document = estimate(study, targets or ())
    if nodes is not None:
        document["schedule"] = outlook(study, nodes, cores, targets or ())
    if json:
        emit(document, True)
        return
    print_table(document["stages"], "jobs of the study")
    emit({key: value for key, value in document.items() if key not in ("stages", "schedule")}, False, "total")
    if nodes is not None:
        schedule = document["schedule"]
        print_table(schedule["chain"], "the longest chain of jobs")
        title = f"on {nodes} nodes of {cores} cores"
        emit({key: value for key, value in schedule.items() if key != "chain"}, False, title)


@app.command("check-data")
def check_data(
    dataset: Annotated[str, typer.Argument(help="name of the dataset, for example casme2")],
    root: Annotated[Path, typer.Argument(help="root folder (or file) of the dataset")],
    option: Annotated[list[str] | None, typer.Option(help="adapter option as key=value, repeatable")] = None,
    per_subject: Annotated[
        bool, typer.Option("--per-subject", help="also the samples per class of each subject")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="exit status 2 if any sample has to be excluded")] = False,
    json: Json = False,
) -> None:
    """Read a real dataset: counts beside the published ones, the first missing or unexpected file by name."""
    from fernas.core.config import AuditConfig
    from fernas.core.errors import DataError
    from fernas.datasets.audit import why_refused
    from fernas.datasets.check import check_data as read_dataset
    from fernas.datasets.check import found_and_expected

    findings = read_dataset(dataset, root, _options(option))
    reason = why_refused(findings, AuditConfig(excluded="fail" if strict else "report"))
    keys = ("dataset", "samples", "subjects", "classes", "splits", "problems", "not_as_published")
    other_labels, differences = findings["duplicates"]["other_labels"], findings["image_statistics"]["differences"]
    if json:
        emit({key: findings[key] for key in keys} | {"other_labels": other_labels, "differences": differences}, True)
    else:
        print_table(found_and_expected(findings), f"{dataset} in {root}")
        if per_subject:
            rows = [{"subject": name, "samples": sum(c.values()), **c} for name, c in findings["per_subject"].items()]
            print_table(
                [{key: row.get(key, 0) for key in ("subject", "samples", *findings["classes"])} for row in rows]
            )
        if other_labels:
            names = ("image", "equal to", "label", "label there")
            print_table([dict(zip(names, pair, strict=True)) for pair in other_labels], "equal images, other labels")
        for problem in findings["problems"]:
            typer.echo(f"problem: {problem}")
        remark = ", but its splits or classes differ" if differences else ""
        typer.echo(f"usable{remark}" if reason is None else reason.partition(":")[0])
    if reason is not None:
        raise DataError(f"{dataset} in {root}: {reason}")


def _options(pairs: list[str] | None) -> dict[str, Any]:
    """key=value pairs, values read as yaml."""
    from fernas.core.config import parse_yaml
    from fernas.core.errors import ConfigError

    options = {}
    for pair in pairs or []:
        key, sign, value = pair.partition("=")
        if not sign:
            raise ConfigError(f"--option {pair!r}: expected key=value")
        options[key] = parse_yaml(value, f"--option {pair!r:.80}")
    return options


@app.command()
def synth(
    dataset: Annotated[str, typer.Argument(help="name of the dataset whose layout is written")],
    out: Annotated[Path, typer.Argument(help="folder to write")],
    subjects: Annotated[int | None, typer.Option(help="number of identities")] = None,
    seed: Annotated[int, typer.Option(help="same seed, same bytes")] = 1,
    option: Annotated[list[str] | None, typer.Option(help="layout option as key=value, repeatable")] = None,
    force: Force = False,
) -> None:
    """Render synthetic faces in the real on-disk layout of a dataset; --force replaces rendered faces, no others."""
    from fernas.core.errors import ConfigError
    from fernas.core.io import write_json
    from fernas.synth import write_dataset

    sidecar = Path(f"{os.path.abspath(out)}.truth.json")
    refuse_taken(out, force, folder=True)
    refuse_taken(sidecar, force)
    if out.is_symlink() or not out.name:  # a folder takes the place of what has that name
        raise ConfigError(f"{str(out)!r}: a link or no name, expected the name of a new or an empty folder")
    options = {"seed": seed, **_options(option)}
    if subjects is not None:
        options["subjects"] = subjects
    truth = write_dataset(dataset, out, options)
    write_json(sidecar, truth)
    typer.echo(f"{truth['samples']} samples of {truth['subjects']} synthetic subjects in {out}")


@app.command("dynamic-image")
def dynamic_image(
    frames: Annotated[Path, typer.Argument(help="folder of frames, sorted naturally")],
    out: Annotated[Path, typer.Option("-o", "--out", help="image to write")],
    method: Annotated[str, typer.Option(help="bilen, learnet or exact")] = "bilen",
    force: Force = False,
) -> None:
    """Turn a folder of frames into one dynamic image."""
    from fernas.views.folder import dynamic_image_from_folder

    refuse_taken(out, force, [frames])
    dynamic_image_from_folder(frames, method, out)
    typer.echo(str(out))


@app.command()
def complexity(
    architecture: Annotated[Path, typer.Argument(help="architecture json")],
    cells: Annotated[int | None, typer.Option(help="number of cells")] = None,
    channels: Annotated[int | None, typer.Option(help="channels of the first cell")] = None,
    classes: Annotated[int | None, typer.Option(help="number of classes")] = None,
    input_shape: Annotated[str | None, typer.Option("--input", help="CxHxW, for example 1x48x48")] = None,
    latency: Annotated[bool, typer.Option(help="measure latency too")] = True,
    json: Json = False,
) -> None:
    """Parameters, multiply-accumulates, bytes and latency of an architecture."""
    from fernas.core.architecture import read_architecture
    from fernas.core.errors import ConfigError
    from fernas.spaces.complexity import complexity as measure

    size: dict[str, Any] = {"cells": cells, "channels": channels, "classes": classes, "input": _shape(input_shape)}
    model = read_architecture(architecture)
    document = measure(model, **size)
    if latency:
        if document["weight_bytes"] > MAX_WEIGHT_BYTES or document["macs"] > MAX_MACS:
            cost = f"{document['weight_bytes']:,} bytes of weights and {document['macs']:,} multiply-adds"
            limits = f"at most {MAX_WEIGHT_BYTES:,} and {MAX_MACS:,}"
            raise ConfigError(f"{architecture}: {cost}, expected {limits} to measure latency; --no-latency counts only")
        document.update(_latency(model, size))
    emit(document, json, str(architecture))


def _latency(model: Any, size: dict[str, Any]) -> dict[str, float]:
    """Latency of an architecture at batch 1 on this machine, one thread."""
    from fernas.core.errors import ConfigError
    from fernas.spaces.complexity import latency
    from fernas.spaces.networks import build_network

    shape = size["input"] or (model.network.input if model.network else None)
    if shape is None:
        raise ConfigError("--input: missing, expected CxHxW (the file has no network block)")
    others = {"cells": size["cells"], "channels": size["channels"], "classes": size["classes"]}
    net = build_network(model, input_shape=shape, **{key: value for key, value in others.items() if value is not None})
    return latency(net, shape, threads=1)


def _shape(text: str | None) -> tuple[int, int, int] | None:
    from fernas.core.errors import ConfigError

    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) != 3 or not all(re.fullmatch("0*[1-9][0-9]{0,8}", part) for part in parts):
        raise ConfigError(f"--input {text!r}: expected CxHxW, for example 3x64x64")
    return int(parts[0]), int(parts[1]), int(parts[2])


@app.command()
def draw(
    architecture: Annotated[Path, typer.Argument(help="architecture json")],
    out: Annotated[Path, typer.Option("-o", "--out", help="svg to write")],
    force: Force = False,
) -> None:
    """Draw the cells, or the patches on the mean face."""
    from fernas.core.architecture import read_architecture
    from fernas.core.io import write_text
    from fernas.spaces.draw import draw_svg

    refuse_taken(out, force, [architecture])
    write_text(out, draw_svg(read_architecture(architecture)))
    typer.echo(str(out))


@app.command()
def score(
    predictions: Annotated[Path, typer.Argument(help="predictions as parquet or csv")],
    protocol: Annotated[str, typer.Option(help="their protocol; it decides the unit of the CI")] = "loso",
    json: Json = False,
) -> None:
    """All metrics of a predictions file, with confidence intervals."""
    from fernas.metrics import all_metrics
    from fernas.scoring.read import read_predictions
    from fernas.scoring.scores import score_file

    document = score_file(read_predictions(predictions), protocol)
    if json:
        emit(document, True)
        return
    rows = []
    for metric in all_metrics():
        rows.append({"score": metric.name, "pooled": document[metric.name], **_bounds(document, metric)})
    print_table(rows, f"{predictions} ({document['samples']} samples, interval over {document['interval_unit']}s)")


def _bounds(document: dict[str, Any], metric: "Metric") -> dict[str, Any]:
    """The columns of a metric's interval; a metric that needs probabilities never has one."""
    from fernas.scoring.intervals import NOT_ESTIMABLE

    low, high = document["interval"][metric.name]
    if low is None and metric.of_confusion is not None:
        low = high = NOT_ESTIMABLE
    return {"95 % low": low, "95 % high": high}


@app.command()
def compare(
    run_a: Annotated[str, typer.Argument(help="folder with predictions.parquet, beginning of a key, or a file")],
    run_b: Annotated[str, typer.Argument(help="the other run")],
    results: Annotated[Path, typer.Option(help="where keys are looked up")] = Path("results"),
    json: Json = False,
) -> None:
    """Paired tests between two runs at subject level."""
    from fernas.metrics import all_metrics
    from fernas.scoring.compare import compare_runs
    from fernas.scoring.read import read_predictions
    from fernas.scoring.runs import find_predictions

    files = [find_predictions(run, results) for run in (run_a, run_b)]
    comparison = compare_runs(read_predictions(files[0]), read_predictions(files[1]))
    if json:
        emit(comparison, True)
        return
    rows = []
    for metric in all_metrics():
        scores = {key: comparison[key][metric.name] for key in ("a", "b", "difference")}
        rows.append({"score": metric.name, **scores, **_bounds(comparison, metric)})
    typer.echo(f"a: {files[0]}\nb: {files[1]}")
    print_table(rows, f"a minus b on {comparison['samples']} samples of {comparison['units']} {comparison['unit']}s")
    tests = []
    for name, what in (
        ("permutation", "UAR, predictions of whole subjects exchanged"),
        ("wilcoxon", "accuracy of each subject"),
        ("mcnemar", "single samples"),
    ):
        test = comparison[name]
        tests.append({"test": name, "on": what, "p": test["p"], "smallest attainable p": test["smallest_p"]})
    print_table(tests, "paired tests")
    effect = comparison["effect"]
    reason = comparison["mcnemar"].get("reason")
    note = {"mcnemar": reason} if reason else {}
    emit({**{f"effect {key}": value for key, value in effect.items()}, **note}, False)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="folder of a final model: results/final/<task>/<protocol>/<method>")],
    out: Annotated[Path, typer.Option("-o", "--out", help="onnx file to write")],
    force: Force = False,
    json: Json = False,
) -> None:
    """Write a model on all subjects as one ONNX file, after comparing its predictions with those of torch."""
    from fernas.deploy.export import export_onnx

    refuse_taken(out, force)
    emit(export_onnx(run, out), json, str(out))


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="model that `fernas export` wrote")],
    inputs: Annotated[list[Path] | None, typer.Argument(help="images, folders, videos")] = None,
    camera: Annotated[int | None, typer.Option(help="number of a camera, for example 0")] = None,
    frames: Annotated[int | None, typer.Option(help="stop after this many camera images")] = None,
    annotate: Annotated[Path | None, typer.Option(help="folder for images with face and prediction drawn in")] = None,
    faces: Annotated[
        str,
        typer.Option(
            help="trained: as in training (an image of the size of the crops that it was trained on is taken whole) | "
            "crop: take the whole image | detect: find and align the face | first: in the first frame of a folder or "
            "video, for all its frames"
        ),
    ] = "trained",
    force: Force = False,
    json: Json = False,
) -> None:
    """Predict new images, folders or videos: label, probabilities, annotated images."""
    from fernas.cli.predicting import predict_camera, predict_files
    from fernas.core.errors import ConfigError

    if annotate is not None:
        refuse_taken(annotate, force, inputs or [], folder=True)
    if camera is not None:
        if inputs:
            raise ConfigError(f"predict: got --camera {camera} and {inputs[0]}, expected one of them")
        predict_camera(model, camera, frames, annotate, faces, json)
        return
    rows = predict_files(model, inputs or [], annotate, faces)
    if json:
        emit(rows, True)
        return
    short = [{key: row[key] for key in ("input", "label", "probability", "face")} for row in rows]
    trained = ", of rendered faces" if rows[0]["rendered"] else ""
    print_table(short, f"{model}: the most similar training class{trained} (an expression is not an emotion)")


@app.command()
def report(
    config: ConfigFile = Path("config.yaml"),
) -> None:
    """Write the HTML report; the tables are computed first where results are newer than they are."""
    from fernas.reporting.compare import compare_study, is_current
    from fernas.reporting.report import build_report
    from fernas.study import Study
    from fernas.study.left_over import list_left_over

    study = Study.load(config)
    if study.results.is_dir():
        list_left_over(study)
    if not is_current(study.results):
        compare_study(study.results, study)
    typer.echo(str(build_report(study.results, study, study.layout.report.path)))


@app.command()
def clean(
    config: ConfigFile = Path("config.yaml"),
    left_over: Annotated[
        bool, typer.Option("--left-over", help="searches, repetitions and shards that the config no longer asks for")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be removed, remove nothing")] = False,
) -> None:
    """Remove results that tables no longer count."""
    import shutil

    from fernas.core.errors import ConfigError
    from fernas.study import Study
    from fernas.study.left_over import left_over as left_over_of
    from fernas.study.left_over import list_left_over

    if not left_over:
        raise ConfigError("clean: nothing is named, expected --left-over")
    study = Study.load(config)
    for folder in left_over_of(study):
        if not dry_run:
            shutil.rmtree(folder)
        typer.echo(f"{'would remove' if dry_run else 'removed'} {folder}")
    if study.results.is_dir() and not dry_run:
        list_left_over(study)


@app.command("retry-failed")
def retry_failed(config: ConfigFile = Path("config.yaml")) -> None:
    """Remove the results of failed searches and trainings, so that the next run repeats them."""
    from fernas.cli.retry import remove_failed
    from fernas.study import Study

    for folder in remove_failed(Study.load(config)):
        typer.echo(f"removed {folder}")


@app.command()
def kernels() -> None:
    """Compile the kernels for this processor (optional, cached); exit status 1 if that fails."""
    from fernas.spaces.kernels import library

    try:
        typer.echo(f"compiled kernels: {library.build()}")
    except library.BuildError as error:
        typer.echo(f"no compiled kernels: {error}", err=True)
        raise typer.Exit(1) from error


@track.command()
def follow(
    results: Annotated[Path, typer.Option(help="results folder")] = Path("results"),
    uri: Annotated[str | None, typer.Option(help="MLflow store; default sqlite in the results folder")] = None,
    every: Annotated[float, typer.Option(help="seconds between two passes")] = 5.0,
    parent: Annotated[int | None, typer.Option(help="stop when this process is gone")] = None,
) -> None:
    """Mirror new results until the workflow ends (the workflow starts this command)."""
    from fernas.core.errors import ConfigError
    from fernas.study import ResultsLayout
    from fernas.tracking.follow import follow as mirror

    if not 0 < every < math.inf:
        raise ConfigError(f"--every {every}: expected seconds above 0")
    mirror(results, uri, interval_s=every, parent_pid=parent, stop_file=ResultsLayout(results).work.stop)


@track.command()
def sync(
    results: Annotated[Path, typer.Option(help="results folder")] = Path("results"),
    uri: Annotated[str | None, typer.Option(help="MLflow store; default sqlite in the results folder")] = None,
) -> None:
    """Replay all results into a store; running it twice changes nothing."""
    from fernas.core.errors import DataError
    from fernas.study import ResultsLayout
    from fernas.tracking.follow import sync as replay

    if not ResultsLayout(results).all_runs.is_dir():
        raise DataError(f"{results}: no runs in this folder, expected the results of a study")
    report = replay(results, uri)
    if report.error:  # the warning said which store and why
        raise typer.Exit(2)
    typer.echo(report)


@track.command()
def ui(
    results: Annotated[Path, typer.Option(help="results folder")] = Path("results"),
    port: Annotated[int, typer.Option(help="port on localhost")] = 5000,
) -> None:
    """Browse the runs in MLflow's page: read only, on localhost, behind the token of the printed address."""
    from fernas.core.errors import DataError
    from fernas.study import ResultsLayout
    from fernas.tracking.page import serve

    store = ResultsLayout(results).mlflow
    if not store.exists():
        raise DataError(f"{store}: no such file; run the study first, or `fernas track sync`")
    serve(store.resolve(), port, typer.echo)
