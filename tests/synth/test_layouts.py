"""Layout writers: every dataset is written as its truth says, the same each time, and says that it is rendered."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import openpyxl
import pandas as pd
import pytest

from fernas.core import plugins
from fernas.core.errors import ConfigError, DataError
from fernas.core.images import list_images, read_image
from fernas.core.io import to_json
from fernas.synth import write_dataset
from fernas.synth.dataset import RENDERED_NAME, write_xlsx
from tests.fixtures.rendered_datasets import small_options

LAYOUTS = plugins.available("synth/layouts")


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """Each dataset once: name -> (folder, truth)."""
    base = tmp_path_factory.mktemp("datasets")
    return {
        name: (base / name, write_dataset(name, base / name, {"seed": 7, **small_options(name)})) for name in LAYOUTS
    }


def digest(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def clips_of(truth, **wanted):
    return [clip for clip in truth["clips"] if all(clip.get(k) == v for k, v in wanted.items())]


@pytest.mark.parametrize("name", LAYOUTS)
def test_truth_counts_itself_and_is_json(datasets, name):
    _, truth = datasets[name]
    clips = truth["clips"]
    assert truth["rendered"] is True and truth["dataset"] == name and truth["seed"] == 7
    assert json.loads(to_json(truth))["samples"] == truth["samples"] == len(clips) > 0
    assert len({clip["sample_id"] for clip in clips}) == len(clips)
    assert all(clip["sample_id"].startswith(f"{name}/") for clip in clips)
    assert truth["classes"] == pd.Series([c["label"] for c in clips]).value_counts().sort_index().to_dict()
    assert truth["subjects"] == len({c["subject"] for c in clips if "subject" in c})
    assert sum(sum(counts.values()) for counts in truth["per_subject"].values()) in (0, len(clips))
    for clip in clips:
        if {"onset", "apex", "offset"} <= set(clip):
            assert 0 <= clip["onset"] < clip["apex"] <= clip["offset"] < clip["frames"]


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_number_of_samples_is_known_before_they_are_written(datasets, name):
    layout, written = plugins.load("synth/layouts", name), datasets[name][1]["classes"]
    counted = layout.count(layout.Config(**small_options(name)))
    if name in ("fer2013", "rafdb"):  # their labels are drawn at random
        assert sum(counted.values()) == pytest.approx(sum(written.values()), abs=len(counted) / 2)
    else:
        assert {label: number for label, number in counted.items() if number} == written


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_dataset_says_that_it_is_rendered(datasets, name):
    text = (datasets[name][0] / RENDERED_NAME).read_text()
    assert "RENDERED" in text and name in text and "seed: 7" in text


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_same_seed_writes_the_same_bytes_another_seed_others(datasets, name, tmp_path):
    folder, truth = datasets[name]
    again = write_dataset(name, tmp_path / "again", {"seed": 7, **small_options(name)})
    assert to_json(again) == to_json(truth)
    assert digest(tmp_path / "again") == digest(folder)
    write_dataset(name, tmp_path / "other", {"seed": 8, **small_options(name)})
    here, there = digest(folder), digest(tmp_path / "other")
    same = [
        p
        for p in set(here) & set(there)
        if here[p] == there[p] and p.endswith((".png", ".jpg", ".bmp", ".avi", ".csv"))
    ]
    assert not same


def test_another_process_writes_the_same_bytes(datasets, tmp_path):
    call = "write_dataset(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))"
    script = f"import json, sys; from fernas.synth import write_dataset; {call}"
    for name in ("casme2", "ised"):
        config = json.dumps({"seed": 7, **small_options(name)})
        subprocess.run([sys.executable, "-c", script, name, str(tmp_path / name), config], check=True)
        assert digest(tmp_path / name) == digest(datasets[name][0])


def test_datasets_share_no_people(datasets):
    """Without that, a subject of one part of a composite would be tested after training on her twin."""
    from fernas.synth.dataset import person
    from fernas.synth.layout import LayoutConfig

    faces = [person(name, LayoutConfig(seed=7), i, 64).face for name in ("casme2", "samm", "smic") for i in range(4)]
    assert len(set(faces)) == len(faces)


# ------------------------------------------------------------------------------------------------ refusals, safety


def test_an_unknown_key_and_an_unknown_layout_are_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="subject: .*did you mean 'subjects'"):
        write_dataset("ckplus", tmp_path / "x", {"subject": 3})
    with pytest.raises(ConfigError, match="rendered options of ckplus: intensity"):
        write_dataset("ckplus", tmp_path / "x", {"intensity": 3})
    with pytest.raises(ConfigError, match="did you mean 'ckplus'"):
        write_dataset("ckplu", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_other_files_is_never_replaced(tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    (real / "mine.png").write_bytes(b"1")
    with pytest.raises(DataError, match="were not rendered"):
        write_dataset("smic", real, small_options("smic"))
    assert (real / "mine.png").read_bytes() == b"1"


def test_a_rendered_dataset_is_replaced_as_a_whole(tmp_path):
    out = tmp_path / "dataset"
    write_dataset("ck48", out, small_options("ck48"))
    (out / "stale.txt").write_text("old")
    write_dataset("ck48", out, {**small_options("ck48"), "subjects": 1})
    assert not (out / "stale.txt").exists() and [p.name for p in tmp_path.iterdir()] == ["dataset"]


def test_a_failure_leaves_the_old_dataset_and_no_rest(tmp_path):
    out = tmp_path / "dataset"
    write_dataset("ck48", out, small_options("ck48"))
    before = digest(out)

    def breaks(items, **_):
        yield from ()
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_dataset("ck48", out, small_options("ck48"), breaks)
    assert digest(out) == before and [p.name for p in tmp_path.iterdir()] == ["dataset"]


def test_importing_the_package_and_the_configs_loads_nothing_heavy():
    script = """
import sys
import fernas.synth
from fernas.core import plugins
for name in plugins.available("synth/layouts"):
    plugins.load("synth/layouts", name).Config()
print([m for m in ("cv2", "torch", "openpyxl", "scipy", "dlib") if m in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_progress_sees_every_step(tmp_path):
    seen = []

    def progress(items, total, desc):
        seen.append((total, desc))
        return items

    write_dataset("ck48", tmp_path / "c", small_options("ck48"), progress)
    assert seen == [(2, "rendering ck48")]


# ------------------------------------------------------------------------------------------ each layout in detail


def test_ckplus_files_carry_the_truth(datasets):
    root, truth = datasets["ckplus"]
    codes = {"anger": 1, "contempt": 2, "happiness": 5}
    for clip in truth["clips"]:
        _, subject, sequence = clip["sample_id"].split("/")
        frames = list_images(root / "cohn-kanade-images" / subject / sequence)
        assert len(frames) == clip["frames"] and frames[0].name == f"{subject}_{sequence}_00000001.png"
        (emotion,) = (root / "Emotion" / subject / sequence).iterdir()
        assert emotion.name == f"{frames[-1].stem}_emotion.txt"
        assert emotion.read_text() == f"   {codes[clip['label']]:.7e}\n"
        facs = np.loadtxt(root / "FACS" / subject / sequence / f"{frames[-1].stem}_facs.txt", ndmin=2)
        assert [str(int(unit)) for unit, _ in facs] == clip["units"].replace("R", "").replace("L", "").split("+")
        marks = np.loadtxt(root / "Landmarks" / subject / sequence / f"{frames[-1].stem}_landmarks.txt")
        assert marks.shape == (68, 2)
        truth_points = np.array(clip["landmarks"][str(clip["apex"])]).reshape(5, 2)
        assert np.abs(marks[36:42].mean(0) - truth_points[0]).max() < 3
        assert not np.allclose(marks[30], truth_points[2], atol=1e-6)


def test_ckplus_has_its_quirks(datasets):
    root, truth = datasets["ckplus"]
    labelled = {clip["sample_id"][7:] for clip in truth["clips"]}
    sequences = {f"{p.parent.name}/{p.name}" for p in (root / "cohn-kanade-images").glob("S*/*")}
    bare = sequences - labelled
    with_folder = {s for s in bare if (root / "Emotion" / s).is_dir()}
    assert len(bare) == 2 and len(with_folder) == 1 and not list((root / "Emotion" / with_folder.pop()).iterdir())
    assert len(truth["notes"]) == 2 and len(list(root.rglob(".DS_Store"))) == 1


def test_ck48_cuts_the_last_frames_of_the_same_people_as_ckplus(datasets):
    root, truth = datasets["ck48"]
    images = sorted((root / "CK+48").rglob("*.png"))
    assert len(images) == truth["samples"] == 2 * 2 * 3
    assert {p.parent.name for p in images} == {"happy", "surprise"}
    assert all(cv2.imread(str(p), cv2.IMREAD_UNCHANGED).shape == (48, 48) for p in images)


def test_fer2013_rows_votes_and_duplicates(datasets):
    root, truth = datasets["fer2013"]
    table, votes = pd.read_csv(root / "fer2013.csv"), pd.read_csv(root / "fer2013new.csv")
    assert list(table.columns) == ["emotion", "pixels", "Usage"]
    assert table["Usage"].tolist() == votes["Usage"].tolist() == [clip["split"] for clip in truth["clips"]]
    assert all(len(pixels.split()) == 2304 for pixels in table["pixels"])
    assert table["emotion"].astype(str).tolist() == [clip["raw_label"] for clip in truth["clips"]]
    assert table["pixels"].iloc[-2:].tolist() == table["pixels"].iloc[:2].tolist()
    counts = votes.iloc[:, 2:].sum(axis=1)
    assert sorted(set(counts)) == [9, 10] and votes["Image name"].isna().sum() == 1
    blank = int(votes.index[votes["Image name"].isna()][0])
    assert votes["NF"][blank] == 10 and votes["Image name"].iloc[-1] == f"fer{len(votes) - 2:07d}.png"


@pytest.mark.parametrize(
    ("name", "pattern", "grey", "first"),
    [
        ("casme2", "CASME2_RAW_selected/{subject}/{clip}/img{n}.jpg", False, 20),
        ("casme2", "Cropped/{subject}/{clip}/reg_img{n}.jpg", False, 20),
        ("smic", "SMIC_all_cropped/HS/{subject}/micro/{label}/{clip}/reg_image{n:06d}.bmp", False, 34208),
        ("casme_sq", "cropped/{number}/{clip}/img{n}.jpg", False, 30),
    ],
)
def test_micro_frames_carry_the_recordings_numbers(datasets, name, pattern, grey, first):
    root, truth = datasets[name]
    for clip in truth["clips"]:
        _, subject, clip_id = clip["sample_id"].split("/")
        onset, apex, offset = clip["numbers"]
        assert onset >= first and offset - onset == clip["offset"] - clip["onset"]
        for number in (onset, apex, offset):
            path = root / pattern.format(
                subject=subject, clip=clip_id, n=number, label=clip["label"], number=subject.strip("s")
            )
            assert path.is_file()
        assert len(list_images(path.parent)) == clip["frames"] and read_image(path).ndim == 3


def test_casme2_sheet(datasets):
    root, truth = datasets["casme2"]
    sheet = openpyxl.load_workbook(root / "CASME2-coding-20190701.xlsx").worksheets[0]
    header, *rows = list(sheet.iter_rows(values_only=True))
    assert header[2] is None and header[6] is None and header[8] == "Estimated Emotion "
    assert sum(row[4] == "/" for row in rows) == 1 == len(clips_of(truth, apex_annotated=False))
    for row, clip in zip(rows, truth["clips"], strict=True):
        assert clip["sample_id"] == f"casme2/sub{row[0]:02d}/{row[1]}" and row[8] == clip["label"]
        assert (row[3], row[5]) == (clip["numbers"][0], clip["numbers"][2]) and row[4] in ("/", clip["numbers"][1])
        assert row[7] == (int(clip["units"]) if clip["units"].isdigit() else clip["units"])
    assert list(root.rglob("*.lnk"))


def test_samm_sheet_stands_under_thirteen_lines(datasets):
    root, truth = datasets["samm"]
    table = pd.read_excel(root / "SAMM_Micro_FACS_Codes_v2.xlsx", header=13)
    assert list(table.columns[:6]) == [
        "Subject",
        "Filename",
        "Inducement Code",
        "Onset Frame",
        "Apex Frame",
        "Offset Frame",
    ]
    assert table["Filename"].tolist() == [clip["sample_id"].split("/")[2] for clip in truth["clips"]]
    assert table["Estimated Emotion"].tolist() == [clip["raw_label"] for clip in truth["clips"]]
    assert set(truth["classes"]) == {"anger", "happiness", "others"}
    for row, clip in zip(table.itertuples(), truth["clips"], strict=True):
        frames = list_images(root / "SAMM" / f"{row[1]:03d}" / row[2])
        assert int(frames[clip["onset"]].stem.split("_")[1]) == row[4] and clip["onset"] == 2
        assert cv2.imread(str(frames[0]), cv2.IMREAD_UNCHANGED).ndim == 2


def test_smic_has_no_annotation_file_and_a_clip_that_is_none(datasets):
    root, truth = datasets["smic"]
    assert not list(root.rglob("*.xlsx")) and not list(root.rglob("*.csv"))
    clips = {p.name for p in root.glob("SMIC_all_cropped/HS/*/micro/*/*") if p.is_dir()}
    assert clips == {clip["sample_id"].split("/")[2] for clip in truth["clips"]}
    assert list(root.glob("SMIC_all_cropped/HS/s1/non_micro/s1_n1/*.bmp"))


def test_casme_pads_the_numbers_of_its_second_half(datasets):
    root, truth = datasets["casme"]
    widths = {p.stem.rpartition("-")[2] for p in (root / "CASME_raw_selected" / "sub02").rglob("*.jpg")}
    assert {len(text) for text in widths} == {3}
    header, *rows = list(openpyxl.load_workbook(root / "casme.xlsx").worksheets[0].iter_rows(values_only=True))
    assert header[2] is None and header[7] is None and [row[9] for row in rows] == [c["label"] for c in truth["clips"]]


def test_casme_sq_sheets_have_no_headers(datasets):
    root, truth = datasets["casme_sq"]
    book = openpyxl.load_workbook(root / "CAS(ME)^2code_final.xlsx")
    first, people, codes = (list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets)
    assert people == [(15, "s15", 1), (16, "s16", 2)] and (101, "disgust1") in codes and ("0102", "disgust2") in codes
    assert first[0][4] == 0 and all(
        row[4] == clip["numbers"][2] for row, clip in zip(first[1:], truth["clips"][1:], strict=True)
    )
    assert {row[7] for row in first} == {"macro-expression", "micro-expression"}
    assert list(root.glob("selectedpic/s16/*/*.jpg.jpg"))


def test_disfa_units_and_video_agree(datasets):
    root, truth = datasets["disfa"]
    video = cv2.VideoCapture(str(root / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi"))
    count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    units = {int(p.stem.split("au")[1]): np.loadtxt(p, delimiter=",", dtype=int) for p in root.rglob("*_au*.txt")}
    assert sorted(units) == [1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26]
    assert all(len(rows) == count + 1 and (rows[:, 0] == np.arange(1, count + 2)).all() for rows in units.values())
    for clip in clips_of(truth, label="happiness"):
        assert units[12][clip["frame"] - 1, 1] >= 2 and units[4][clip["frame"] - 1, 1] == 0
    for clip in clips_of(truth, label="neutral"):
        assert all(rows[clip["frame"] - 1, 1] == 0 for rows in units.values())
    assert truth["classes"].keys() == {"fear", "happiness", "neutral"}


def test_ised_videos_hold_the_frames(datasets):
    root, truth = datasets["ised"]
    for clip in truth["clips"]:
        _, participant, number = clip["sample_id"].split("/")
        video = cv2.VideoCapture(str(root / "videos" / f"PS {participant}" / f"{number}.avi"))
        assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == clip["frames"]
        assert (root / "peakImages" / f"{participant}_{number}_{clip['apex'] + 1}.jpg").is_file()


def test_rafdb_list_images_and_attributes(datasets):
    root, truth = datasets["rafdb"]
    lines = (root / "basic" / "EmoLabel" / "list_patition_label.txt").read_text().splitlines()
    assert len(lines) == 12 and lines[0].startswith("train_00001.jpg ") and lines[-1].startswith("test_0004.jpg ")
    codes = dict(line.split() for line in lines)
    for clip in truth["clips"]:
        stem = clip["sample_id"].split("/")[1]
        assert codes[f"{stem}.jpg"] == clip["raw_label"]
        assert read_image(root / "basic" / "Image" / "aligned" / f"{stem}_aligned.jpg").shape == (100, 100, 3)
        attributes = (root / "basic" / "Annotation" / "manual" / f"{stem}_manu_attri.txt").read_text().split("\n")
        assert [float(v) for v in attributes[0].split()] == pytest.approx(clip["landmarks"]["0"][:2], abs=0.06)


def test_mug_depths_and_oulu_trees(datasets):
    root, _ = datasets["mug"]
    assert list(root.glob("subjects3/001/anger/take000/img_0000.jpg"))
    assert list(root.glob("subjects3/002/session0/anger/take000/*.jpg")) and list(
        root.glob("subjects3/004/004/anger/*/*.jpg")
    )
    root, truth = datasets["oulu"]
    assert len(list(root.glob("OriginalImg/VL/Strong/P00?/*"))) == truth["samples"]
    assert len(list_images(root / "PreProcess_Img/VL_Acropped/Strong/P001/Anger")) == clips_of(truth)[0]["frames"]


def test_jaffe_names(datasets):
    root, truth = datasets["jaffe"]
    names = {p.name for p in (root / "jaffe").glob("*.tiff")}
    assert names == {c["sample_id"].split("/", 1)[1].replace("/", ".") + ".tiff" for c in truth["clips"]}


def test_xlsx_bytes_do_not_tell_the_time(tmp_path):
    for name in ("a.xlsx", "b.xlsx"):
        write_xlsx(tmp_path / name, {"one": [("x", None, 3)]})
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    assert b"2000-01-01" in __import__("zipfile").ZipFile(tmp_path / "a.xlsx").read("docProps/core.xml")
