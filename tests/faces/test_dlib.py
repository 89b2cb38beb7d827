"""The one module that imports dlib."""

import builtins

import pytest

from fernas.core.errors import ConfigError
from fernas.faces import _dlib
from tests.fixtures.aligned_faces import align, stills


def test_missing_dlib_is_one_error_that_names_the_package(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "dlib":
            raise ImportError("No module named 'dlib'")
        return real(name, *args, **kwargs)

    _dlib._dlib.cache_clear()
    _dlib._hog_detector.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match="dlib-bin"):
        align(*stills(1))
    monkeypatch.undo()
    _dlib._dlib.cache_clear()
    _dlib._hog_detector.cache_clear()
