import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernas.core import io
from fernas.core.errors import DataError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def test_an_error_leaves_the_old_file_and_no_temporary_one(tmp_path):
    target = tmp_path / "a.json"
    io.write_json(target, {"old": 1})
    with pytest.raises(RuntimeError), io.atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert io.read_json(target) == {"old": 1}
    assert os.listdir(tmp_path) == ["a.json"]


@given(JSON)
def test_json_round_trip_is_byte_stable(value):
    text = io.to_json(value)
    assert io.to_json(__import__("json").loads(text)) == text


def test_nan_is_no_json():
    with pytest.raises(ValueError, match="not JSON compliant"):
        io.to_json({"a": float("nan")})


def test_broken_json_names_the_file(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("{")
    with pytest.raises(DataError, match=r"x\.json: not valid json"):
        io.read_json(path)


def test_a_torn_last_line_is_left_out_and_a_torn_middle_one_is_an_error(tmp_path):
    path = tmp_path / "m.jsonl"
    io.append_jsonl(path, {"step": 0})
    with open(path, "a") as file:
        file.write('{"step": 1, "lo')
    assert io.read_jsonl(path) == [{"step": 0}]
    with open(path, "a") as file:
        file.write("\n")
    io.append_jsonl(path, {"step": 2})
    with pytest.raises(DataError, match="line 2"):
        io.read_jsonl(path)
