import numpy as np
import pandas as pd
import pytest

from fernas.core.errors import ContractError, DataError
from fernas.learn.arrays import ArrayPart, Inputs
from tests.fixtures.nose_inputs import inputs_with_noses
from tests.fixtures.toy_task import CLASSES, part, write_task


def test_a_part_keeps_the_order_of_the_ids_and_reads_only_its_rows(tmp_path):
    files = write_task(tmp_path)
    inputs = Inputs.read(tmp_path / "inputs.npy", tmp_path / "inputs.parquet", CLASSES)
    assert isinstance(inputs.images, np.memmap)
    ids = ["toy/s2/13", "toy/s0/4", "toy/s1/6"]
    chosen = inputs.part(ids)
    assert chosen.source is inputs.images
    assert chosen.ids == ids and list(chosen.labels) == [1, 1, 0] and chosen.subjects == ["toy/s2", "toy/s0", "toy/s1"]
    whole = np.load(files.root / "inputs.npy")
    assert (chosen.images == whole[[13, 4, 6]]).all()
    assert (chosen.batch(np.array([2, 0])).numpy() == whole[[6, 13]]).all()
    assert chosen.input_shape == (3, 16, 16)
    assert chosen.noses is not None and chosen.noses.shape == (3, 2)


def test_images_are_found_by_the_column_row_in_whatever_order_the_table_is():
    images = np.broadcast_to(np.arange(3, dtype=np.uint8)[:, None, None, None], (3, 8, 8, 1))
    table = pd.DataFrame({"row": [2, 0, 1], "sample_id": ["c", "a", "b"], "class_index": [0, 1, 2]})
    chosen = Inputs(images, table, CLASSES).part(["a", "c"])
    assert chosen.images[:, 0, 0, 0].tolist() == [0, 2] and chosen.labels.tolist() == [1, 0]


def test_an_unknown_id_is_named(tmp_path):
    write_task(tmp_path)
    inputs = Inputs.read(tmp_path / "inputs.npy", tmp_path / "inputs.parquet", CLASSES)
    with pytest.raises(ContractError, match="toy/nobody"):
        inputs.part(["toy/s0/4", "toy/nobody"])


def test_labels_beyond_the_classes_are_refused(tmp_path):
    write_task(tmp_path)
    inputs = Inputs.read(tmp_path / "inputs.npy", tmp_path / "inputs.parquet", CLASSES[:2])
    with pytest.raises(ContractError, match="class_index"):
        inputs.part(["toy/s0/2"])


def test_arrays_of_another_type_are_refused(tmp_path):
    write_task(tmp_path)
    table = Inputs.read(tmp_path / "inputs.npy", tmp_path / "inputs.parquet", CLASSES).table
    with pytest.raises(DataError, match="uint8"):
        Inputs(np.zeros((48, 16, 16, 3), np.float32), table, CLASSES)


def test_parts_of_one_array_join_and_others_do_not():
    first = part()
    a = ArrayPart(first.source, first.rows[:4], first.labels[:4], first.ids[:4], first.subjects[:4])
    b = ArrayPart(first.source, first.rows[4:9], first.labels[4:9], first.ids[4:9], first.subjects[4:9])
    joined = a.join(b)
    assert (joined.images == first.images[:9]).all() and joined.ids == first.ids[:9]
    with pytest.raises(ContractError):
        a.join(part())


def test_a_mean_over_the_dataset_counts_as_unknown():
    part = inputs_with_noses(["landmarks", "estimated", "mean"]).part(["s0", "s1", "s2"])
    assert np.isfinite(part.noses).all(1).tolist() == [True, True, False]
    filled = part.with_noses(np.array([1.0, 2.0]))
    assert filled.noses.tolist() == [[5, 7], [6, 7], [1, 2]]
