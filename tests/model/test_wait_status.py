"""How a process ended, in words."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tepui.model.wait_status import describe_wait_status, exit_code


def test_exit_codes() -> None:
    assert describe_wait_status(0) == "exited with status 0"
    assert describe_wait_status(255 << 8) == "exited with status 255"
    assert exit_code(7 << 8) == 7
    assert exit_code(9) is None


@pytest.mark.parametrize("number", sorted(signal.valid_signals()))
def test_signals_are_called_as_the_machine_calls_them(number: signal.Signals) -> None:
    assert describe_wait_status(number) == f"terminated with signal {signal.strsignal(number)}"


def test_a_core_was_dumped() -> None:
    assert describe_wait_status(signal.SIGSEGV | 0x80) == "terminated with signal Segmentation fault (core dumped)"


def test_the_status_is_that_of_the_system() -> None:
    process = subprocess.run(["/bin/sh", "-c", "kill -9 $$"], check=False)
    assert describe_wait_status(-process.returncode) == "terminated with signal Killed"
