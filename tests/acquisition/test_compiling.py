"""Whoever waits for compiled kernels is told why, and nobody else."""

import threading

import pytest

from isactrack.acquisition import compiling


def test_a_long_wait_is_explained_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    told = threading.Event()

    def warning(text: str) -> None:
        said.append(text)
        told.set()

    monkeypatch.setattr(compiling._log, "warning", warning)
    with compiling.explained_if_slow(0.01):
        assert told.wait(10.0)
    assert len(said) == 1
    assert "first time on a machine" in said[0]


def test_a_short_one_is_not(caplog: pytest.LogCaptureFixture) -> None:
    before = set(threading.enumerate())
    with compiling.explained_if_slow(60.0):
        (timer,) = set(threading.enumerate()) - before
    timer.join(10.0)
    assert not timer.is_alive()
    assert not caplog.text
