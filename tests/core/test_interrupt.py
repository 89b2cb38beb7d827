"""Signals that a job collects."""

import os
import signal

import pytest

from fernas.core import interrupt


def test_a_second_ctrl_c_ends_at_once():
    with pytest.raises(KeyboardInterrupt), interrupt.graceful():
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.requested()
        os.kill(os.getpid(), signal.SIGINT)
    assert not interrupt.requested()
