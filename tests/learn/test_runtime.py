import pytest
import torch

from fernas.core.errors import ConfigError
from fernas.learn.runtime import pick_device

CPU = torch.device("cpu")


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == CPU
    with pytest.raises(ConfigError, match="cuda"):
        pick_device("cuda")
