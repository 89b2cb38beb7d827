"""`predict` on the raw images of every dataset: the network sees what the workflow showed it in training."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fernas.core import plugins
from fernas.core.config import FacesConfig, TaskConfig
from fernas.core.images import write_image
from fernas.core.io import read_npy, read_parquet, write_json, write_text
from fernas.datasets.frames import FrameReader
from fernas.datasets.manifest import build_manifest, merge_manifests
from fernas.datasets.tasks import task_samples
from fernas.deploy.export import export_onnx
from fernas.deploy.predict import Model, Sample, samples_of
from fernas.deploy.preprocessing import Preprocessing, shipped_crops
from fernas.faces.align import align_manifest, merge_faces
from fernas.learn.arrays import known_noses
from fernas.synth.dataset import render_dataset
from fernas.views.inputs import InputSources, make_inputs
from tests.fixtures.aligned_faces import quiet
from tests.fixtures.final_models import CLASSES, two_patches, write_final_model
from tests.fixtures.rendered_datasets import small_options

SHIPS_CROPS = {"ck48", "fer2013", "rafdb", "custom-crops"}
COMPOSITE = "megc2019"
CUSTOM = {"custom-crops": True, "custom": False}  # the images of a private dataset are crops
DATASETS = sorted({*plugins.available("synth/layouts"), COMPOSITE, *CUSTOM})
AT_MOST = 12  # samples of a dataset


@dataclass
class Workflow:
    """What the workflow made of a rendered dataset: samples, faces, inputs, and a reader of its frames."""

    samples: pd.DataFrame
    manifest: pd.DataFrame
    faces: pd.DataFrame
    reader: FrameReader
    images: np.ndarray
    table: pd.DataFrame
    view: dict[str, Any]


def custom_dataset(folder: Path, crops: bool) -> None:
    """Images of JAFFE or crops of CK48 as a private dataset."""
    source = folder / "source"
    render_dataset("ck48" if crops else "jaffe", source, small_options("ck48" if crops else "jaffe"), None)
    images = sorted(p for p in source.rglob("*") if p.suffix in (".png", ".tiff", ".jpg"))
    rows = [f"{p.relative_to(folder).as_posix()},{CLASSES[k % 3]},s{k % 2}" for k, p in enumerate(images)]
    write_text(folder / "list.csv", "\n".join(["path,label,subject", *rows]) + "\n")


def one_dataset(name: str, folder: Path, config: FacesConfig) -> tuple[pd.DataFrame, pd.DataFrame, FrameReader]:
    """Manifest, faces and reader of a dataset that is no composite."""
    adapter, options = name, {}
    if name in CUSTOM:
        adapter, options = "custom", {"ships_crops": CUSTOM[name], "classes": CLASSES}
        custom_dataset(folder / name, CUSTOM[name])
    else:
        render_dataset(name, folder / name, small_options(name), None)
    manifest = build_manifest(adapter, folder / name, options)
    dataset = str(manifest["dataset"].iloc[0])
    reader = FrameReader({dataset: folder / name}, {dataset: adapter})
    ships = {dataset: bool(manifest.attrs["ships_crops"])}
    faces, _ = align_manifest(manifest, reader.read, reader.own_landmarks, ships, config, quiet)
    return manifest, faces, reader


def workflow(name: str, folder: Path, config: FacesConfig) -> Workflow:
    parts = plugins.load("datasets", name).spec.parts if name == COMPOSITE else ()
    if parts:
        made = [one_dataset(part, folder, config) for part in parts]
        manifest = merge_manifests(name, dict(zip(parts, (m for m, _, _ in made), strict=True)), {})
        faces, _ = merge_faces(manifest, [f for _, f, _ in made], [np.zeros((len(f), 1, 1, 3)) for _, f, _ in made])
        reader = FrameReader({part: folder / part for part in parts})
    else:
        manifest, faces, reader = one_dataset(name, folder, config)
    tasks = {"custom": {"classes": CLASSES}} if name in CUSTOM else plugins.load("datasets", name).spec.tasks
    task = TaskConfig(dataset=name, view="v", **{**next(iter(tasks.values())), "rare": "keep"})
    samples = task_samples(manifest, task)
    # of every class and every subject some
    samples = samples.iloc[:: -(-len(samples) // AT_MOST)].reset_index(drop=True)
    view = {"kind": "dynamic" if task.frames.kind == "clip" else "still", "size": 32}
    files = folder / "inputs.npy", folder / "inputs.parquet"
    make_inputs(InputSources(samples, manifest, faces, reader.read), view, *files, progress=quiet)
    return Workflow(samples, manifest, faces, reader, read_npy(files[0]), read_parquet(files[1]), view)


def model_of(made: Workflow, folder: Path, config: FacesConfig) -> Model:
    """An untrained network that takes the workflow's inputs."""
    architecture = two_patches() if made.view["kind"] == "still" else None  # patches: noses count too
    final = write_final_model(folder / "final", architecture)
    record = Preprocessing(
        classes=CLASSES, scale="standard", view=made.view, faces=config,
        crops=shipped_crops(made.table["source_id"], made.faces),
    )  # fmt: skip
    write_json(final / "preprocessing.json", record.model_dump(mode="json"))
    export_onnx(final, folder / "m.onnx")
    return Model(folder / "m.onnx")


def raw_samples(made: Workflow, folder: Path) -> list[Sample]:
    """What a user would give to `predict`, as files: an image, a clip's frames from onset to apex, or a sequence."""
    source_of = made.manifest.set_index("sample_id")
    samples = []
    for k, sample in made.samples.iterrows():
        source, target = source_of.loc[sample["source_id"]], folder / f"{k:03d}"
        positions = [int(position) for position in sample["positions"]]
        first = 0 if pd.isna(source["onset"]) else int(source["onset"])
        last = positions[1] if len(positions) > 1 else len(source["frames"]) - 1
        for position in range(first, last + 1):
            image = made.reader.read(sample["dataset"], source["frames"][position])
            write_image(target / f"{position:05d}.png", image)
        if len(positions) > 1:
            samples += samples_of(target, clips=True)
        elif len(source["frames"]) > 1:  # the face of a sequence is found in its first frame
            samples.append(samples_of(target, False, "first")[positions[0] - first])
        else:
            samples += samples_of(target / "00000.png", clips=False)
    return samples


@pytest.mark.parametrize(
    ("name", "config"), [*((name, FacesConfig()) for name in DATASETS), ("fer2013", FacesConfig(crops="aligned"))]
)
def test_raw_images_reach_the_network_as_in_training(name, config, tmp_path):
    made = workflow(name, tmp_path / "data", config)
    model, samples = model_of(made, tmp_path, config), raw_samples(made, tmp_path / "raw")
    # under `first` an image alone is its own first frame; a crop is taken whole where training did that
    faces = "first" if any(len(s.frames) > 1 for s in samples) and not model.takes_clips else "trained"
    prepared, rows = model.prepare(samples, faces), model.predict(samples, faces)
    noses = known_noses(made.table)
    np.testing.assert_array_equal(prepared.images, made.images)
    np.testing.assert_array_equal(prepared.noses, noses)
    batch = {"images": np.asarray(made.images), **({"noses": noses} if model.needs_noses else {})}
    expected = model.session.run(None, batch)[0]
    found = np.array([[row[f"p_{label}"] for label in CLASSES] for row in rows])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len(rows) > 2 and np.ptp(found, axis=0).max() > 1e-4, "the answers depend on the images"
    assert {row["face"] for row in rows} == {"crop" if name in SHIPS_CROPS else "dlib"}
