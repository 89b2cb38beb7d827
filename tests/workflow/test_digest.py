"""Code digests and run keys."""

import pytest

from fernas.workflow import digest


def package(tmp_path, monkeypatch, files):
    root = tmp_path / "fernas"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(digest, "PACKAGE", root)
    for function in (digest._own_digest, digest._imports, digest.code_digest):
        function.cache_clear()
    return digest.code_digest("fernas.search.a")


FILES = {
    "search/a.py": "from fernas.core.b import f\nx = f(1)\n",
    "core/b.py": "def f(n: int) -> int:\n    return n\n",
    "core/errors.py": "class E(Exception): pass\n",
    "search/other.py": "y = 1\n",
}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"core/b.py": 'def f(n):\n    """Say."""\n    # why\n    return n\n'}, True),
        ({"core/b.py": "def f(n: int) -> int:\n    return n + 1\n"}, False),
        ({"search/other.py": "y = 2\n"}, True),
        ({"search/new.py": "z = 2\n"}, True),
        ({"search/cpp/loop.h": "int x;\n"}, False),
        ({"core/data/table.csv": "1\n"}, False),
        ({"search/a.py": "from fernas.core.b import f\nx = f(2)\n"}, False),
    ],
)
def test_code_digest_sees_code_and_only_what_is_used(tmp_path, monkeypatch, change, same):
    before = package(tmp_path / "1", monkeypatch, FILES)
    after = package(tmp_path / "2", monkeypatch, {**FILES, **change})
    assert (before == after) is same
    for function in (digest._own_digest, digest._imports, digest.code_digest):
        function.cache_clear()


def test_run_key_depends_on_each_part():
    base = ("search", {"g": "0"}, {"epochs": 1}, {"inputs": "a"}, "c")
    keys = {digest.run_key(*base)}
    for position, other in enumerate(("train", {"g": "1"}, {"epochs": 2}, {"inputs": "b"}, "d")):
        keys.add(digest.run_key(*[other if i == position else value for i, value in enumerate(base)]))
    assert len(keys) == 6 and all(len(key) == 16 for key in keys)
