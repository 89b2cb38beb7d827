"""The audit of the folds finds each kind of leak and names it."""

import numpy as np
import pytest
from PIL import Image

from fernas.core.config import TaskConfig
from fernas.core.errors import ContractError
from fernas.datasets.adapters import adapter_of
from fernas.datasets.audit import audit_dataset
from fernas.datasets.frames import FrameReader
from fernas.datasets.tasks import task_samples
from fernas.protocols.audit import audit_folds
from fernas.protocols.folds import SplitSpec, make_folds
from tests.fixtures.sample_tables import SHARES, regular


def planted():
    table = regular(6)
    train, test = make_folds(table, SplitSpec("loso", fold_groups=2, parts=SHARES, seed=0))
    return table, train, test


def test_a_planted_subject_stops_the_run_by_name():
    table, train, test = planted()
    moved = test["folds"][0]["test"][1:3]
    test["folds"][0]["test"] = [i for i in test["folds"][0]["test"] if i not in moved]
    train["folds"][0]["weights"] += moved
    with pytest.raises(ContractError, match="fold dataset/S000: subject 'dataset/S000' is in the train split and"):
        audit_folds(table, train, test)


def test_a_sample_in_both_splits_stops_the_run_by_name():
    table, train, test = planted()
    train["folds"][0]["weights"].append(test["folds"][0]["test"][0])
    with pytest.raises(ContractError, match="sample 'dataset/S000/c0' is in the train split and in the test"):
        audit_folds(table, train, test)


def test_a_sequence_that_crosses_subjects_stops_the_run_by_name():
    table, train, test = planted()
    table.loc[table["sample_id"].isin(["dataset/S000/c0", "dataset/S001/c0"]), "group"] = "one sequence"
    with pytest.raises(ContractError, match="group 'one sequence' is in the train split and in the test"):
        audit_folds(table, train, test)


@pytest.mark.parametrize("how", ["sha256", "pairs"])
def test_a_planted_copy_in_a_dataset_with_subjects_stops_the_run_by_name(how):
    table, train, test = planted()
    pairs = None
    if how == "sha256":
        table["sha256"] = [f"{n:064x}" for n in range(len(table))]
        table.loc[table["sample_id"].isin(["dataset/S000/c0", "dataset/S001/c0"]), "sha256"] = "same"
    else:
        pairs = {"exact": [["dataset/S000/c0", "dataset/S001/c0"]], "near": []}
    with pytest.raises(
        ContractError, match="test sample 'dataset/S000/c0' is an exact copy of the training sample 'dataset/S001/c0'"
    ):
        audit_folds(table, train, test, pairs)


@pytest.mark.parametrize("place", [0, -1])
def test_a_test_subject_of_any_fold_of_the_group_in_its_search_pool_stops_the_run_by_name(place):
    table, train, test = planted()
    group = train["groups"][0]
    assert len(group["folds"]) == 3
    leaked = test["folds"][group["folds"][place]]["test"]
    group["selection"] += leaked
    with pytest.raises(ContractError, match=f"search pool of group 0: sample '{leaked[0]}' is in the train split and"):
        audit_folds(table, train, test)


def test_a_subject_in_two_parts_and_documents_that_do_not_fit_are_refused():
    table, train, test = planted()
    moved = train["folds"][1]["weights"].pop()
    train["folds"][1]["selection"].append(moved)
    with pytest.raises(ContractError, match="is in weights and in selection"):
        audit_folds(table, train, test)
    table, train, test = planted()
    with pytest.raises(ContractError, match="not in the table of samples"):
        audit_folds(table.iloc[1:], train, test)
    test["folds"].pop()
    with pytest.raises(ContractError, match="the test document"):
        audit_folds(table, train, test)
    table, train, test = planted()
    test["folds"][1]["test"] = test["folds"][0]["test"]
    with pytest.raises(ContractError):
        audit_folds(table, train, test)


def test_near_duplicates_of_test_samples_are_leaks_counted_by_test_sample():
    table, train, test = planted()
    near = [["dataset/S000/c0", "dataset/S001/c0", 2, 0.99], ["dataset/S000/c0", "dataset/S002/c0", 3, 0.985]]
    found = audit_folds(table, train, test, {"exact": [], "near": near})
    # leave one subject out: S000, S001 and S002 are each tested once against training on the two others
    assert found["leaks"] == {"test samples with a near-duplicate in training": 3}
    assert audit_folds(table, train, test, {"exact": [], "near": []})["leaks"] == {}


def audit_of_copied_subject(root, copied):
    """Six subjects and a copy of the first, through manifest, dataset audit, samples and folds as in the workflow."""
    rng = np.random.default_rng(1)
    lines = ["path,label,subject"]
    for subject in range(7):
        for label in ("joy", "rage"):
            path = root / f"{subject}{label}.png"
            lines.append(f"{path.name},{label},p{subject}")
            if subject < 6:
                coarse = np.kron(rng.integers(30, 220, (12, 12)), np.ones((4, 4))).astype(np.uint8)
                Image.fromarray(coarse).save(path)
            else:
                copied(root / f"0{label}.png", path)
    (root / "list.csv").write_text("\n".join(lines))
    adapter = adapter_of("custom")
    manifest = adapter.build(root)
    pairs = audit_dataset(adapter.spec, manifest, FrameReader({"custom": root}))["duplicates"]
    samples = task_samples(manifest, TaskConfig(dataset="custom", classes=("joy", "rage"), view="still"))
    spec = SplitSpec("loso", fold_groups=2, parts=SHARES, seed=0)
    return audit_folds(samples, *make_folds(samples, spec, pairs), pairs)


def saved_again(source, target):
    Image.open(source).convert("RGB").save(target)
    assert target.read_bytes() != source.read_bytes()


def saved_with_noise(source, target):
    grey = np.asarray(Image.open(source)).astype(int)
    noise = np.random.default_rng(0).integers(-2, 3, grey.shape)
    Image.fromarray(np.clip(grey + noise, 0, 255).astype(np.uint8)).save(target)


def test_a_subject_saved_again_under_another_name_stops_the_run(tmp_path):
    with pytest.raises(ContractError, match="'custom/p0/0joy' is an exact copy of the training sample 'custom/p6/6joy"):
        audit_of_copied_subject(tmp_path, saved_again)


def test_a_subject_saved_with_noise_under_another_name_is_a_leak_of_all_its_samples(tmp_path):
    found = audit_of_copied_subject(tmp_path, saved_with_noise)
    assert found["leaks"] == {"test samples with a near-duplicate in training": 4}


def test_without_subjects_an_image_saved_again_leaves_the_train_split(tmp_path):
    """A mirror of FER2013 in which a training image is a test image in another format."""
    rng = np.random.default_rng(2)
    for row in range(24):
        usage, word = ("Training", "PrivateTest")[row % 4 == 3], ("happy", "sad")[row % 2]
        path = tmp_path / usage / ("happy" if row % 8 < 4 else word) / f"{usage}_{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.kron(rng.integers(30, 220, (12, 12)), np.ones((4, 4))).astype(np.uint8)).save(path)
    copy = tmp_path / "Training/happy/Training_99.bmp"
    Image.open(tmp_path / "PrivateTest/happy/PrivateTest_3.png").save(copy)
    adapter = adapter_of("fer2013")
    manifest = adapter.build(tmp_path)
    pairs = audit_dataset(adapter.spec, manifest, FrameReader({"fer2013": tmp_path}))["duplicates"]
    samples = task_samples(manifest, TaskConfig(dataset="fer2013", classes=("happiness", "sadness"), view="still"))
    train, test = make_folds(samples, SplitSpec("official", fold_groups=1, parts=SHARES, seed=0), pairs)
    dropped = [{"fold": 0, "sample_id": "fer2013/Training_99", "reason": "exact"}]
    assert train["dropped"] == audit_folds(samples, train, test, pairs)["dropped"] == dropped
