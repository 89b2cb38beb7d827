"""Whatever happens to the compiled library, a run goes on."""

import ctypes
import hashlib
import logging
import os
import stat

import pytest
import torch

from fernas.spaces.kernels import library
from fernas.spaces.supernet import make_supernet


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own; the process looks again before and after."""
    monkeypatch.setenv("FERNAS_CACHE", str(tmp_path))
    library._attempt.cache_clear()
    yield tmp_path / "kernels"
    library._attempt.cache_clear()


def step():
    net = make_supernet("emonas", 3, 8)
    net(torch.randn(2, 3, 8, 8)).sum().backward()
    return net.alpha_normal.grad


@pytest.fixture(scope="module")
def built():
    """A library from the ordinary cache, or a skip."""
    try:
        return library.build()
    except library.BuildError as error:
        pytest.skip(str(error))


def put(cache, data, digest=None):
    """Lays a library where the next load looks for it."""
    path = library.library_path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o600)
    digest = hashlib.sha256(data).hexdigest() if digest is None else digest
    path.with_suffix(".sha256").write_text(digest)
    return path


def test_no_compiler_means_the_pure_path_said_once(cache, monkeypatch, caplog):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with caplog.at_level(logging.WARNING):
        assert step().abs().sum() > 0
        assert step().abs().sum() > 0
    said = [r for r in caplog.records if "kernels not available" in r.message]
    assert len(said) == 1 and "no-such-compiler" in said[0].message
    assert "no C++ compiler" in library.status()


def test_a_failing_compiler_means_the_pure_path(cache, monkeypatch):
    monkeypatch.setenv("CXX", "false")
    assert step().abs().sum() > 0
    assert "failed" in library.status()


def test_a_folder_that_cannot_be_written_means_the_pure_path(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("FERNAS_CACHE", str(blocked))
    library._attempt.cache_clear()
    try:
        assert step().abs().sum() > 0
        assert str(blocked) in library.status()
    finally:
        library._attempt.cache_clear()


def test_a_half_written_library_is_built_again(built, cache, monkeypatch):
    whole = built.read_bytes()
    path = put(cache, whole[: len(whole) // 2], hashlib.sha256(whole).hexdigest())
    compiled = []
    monkeypatch.setattr(library, "_compile", lambda target, dtype: compiled.append(target) or put(cache, whole))
    assert library.load() is not None
    assert compiled == [path]


def test_a_library_without_its_checksum_is_built_again(built, cache, monkeypatch):
    whole = built.read_bytes()
    path = put(cache, whole)
    path.with_suffix(".sha256").unlink()
    monkeypatch.setattr(library, "_compile", lambda target, dtype: put(cache, whole))
    assert library.load() is not None


@pytest.mark.parametrize("data", [b"", b"no library at all", b"\x7fELF" + bytes(200)])
def test_a_library_that_does_not_load_means_the_pure_path(cache, data):
    put(cache, data)
    assert step().abs().sum() > 0
    assert "pure" in library.status()


def test_an_intact_library_is_not_built_again(built, cache, monkeypatch):
    put(cache, built.read_bytes())
    monkeypatch.setattr(library, "_compile", lambda *a: pytest.fail("compiled"))
    assert isinstance(library.load(), ctypes.CDLL)


def test_the_name_depends_on_processor_and_target(monkeypatch):
    names = {library.library_path().name, library.library_path(torch.float64).name}
    monkeypatch.setenv("FERNAS_KERNELS_MARCH", "x86-64-v3")
    names.add(library.library_path().name)
    monkeypatch.setattr(library, "_processor", lambda: "another")
    names.add(library.library_path().name)
    assert len(names) == 4


def test_switched_off_by_the_environment(monkeypatch):
    monkeypatch.setenv("FERNAS_KERNELS", "0")
    monkeypatch.setattr(library, "load", lambda *a: pytest.fail("looked for the library"))
    assert step().abs().sum() > 0
    assert "FERNAS_KERNELS=0" in library.status()


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
@pytest.mark.parametrize("level", ["kernels", "."])
def test_a_cache_where_others_can_write_is_refused(cache, monkeypatch, caplog, mode, level):
    put(cache, b"somebody's library")
    folder = cache.parent / level
    folder.chmod(mode)
    monkeypatch.setattr(ctypes, "CDLL", lambda path: pytest.fail(f"loaded {path}"))
    monkeypatch.setattr(library, "_compile", lambda target, dtype: target.write_bytes(b"our own"))
    if (level, mode) == (".", 0o1777):  # a folder like /tmp, with a folder of ours in it
        assert library.build() == library.library_path()
        return
    with caplog.at_level(logging.WARNING):
        assert library.load() is None
    assert f"{folder}: other users can write there" in caplog.text


def test_a_cache_of_another_user_is_refused(cache, monkeypatch):
    put(cache, b"somebody's library")
    owner = cache.stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    monkeypatch.setattr(library, "TRUSTED", ())
    monkeypatch.setattr(ctypes, "CDLL", lambda path: pytest.fail(f"loaded {path}"))
    assert library.load() is None
    assert "other users can write there" in library.status()


def test_a_library_that_others_can_write_is_built_again(built, cache, monkeypatch):
    path = put(cache, built.read_bytes())
    cache.chmod(0o700)
    path.chmod(0o666)
    compiled = []
    monkeypatch.setattr(library, "_compile", lambda target, dtype: compiled.append(target))
    library.build()
    assert compiled == [path]


def test_without_a_umask_the_cache_is_closed_all_the_same(cache, monkeypatch):
    monkeypatch.setattr(library, "_run", lambda command: open(command[-1], "wb").close())
    before = os.umask(0)
    try:
        path = library.build()
    finally:
        os.umask(before)
    assert [stat.S_IMODE(p.stat().st_mode) & 0o022 for p in (path, path.parent)] == [0, 0]
    assert library._intact(path)
