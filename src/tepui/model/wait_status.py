"""The raw wait status of a process, in words."""

from __future__ import annotations

_SIGNALS = (
    "Hangup",
    "Interrupt",
    "Quit",
    "Illegal instruction",
    "Trace/breakpoint trap",
    "Aborted",
    "Bus error",
    "Floating point exception",
    "Killed",
    "User defined signal 1",
    "Segmentation fault",
    "User defined signal 2",
    "Broken pipe",
    "Alarm clock",
    "Terminated",
    "Stack fault",
    "Child exited",
    "Continued",
    "Stopped (signal)",
    "Stopped",
    "Stopped (tty input)",
    "Stopped (tty output)",
    "Urgent I/O condition",
    "CPU time limit exceeded",
    "File size limit exceeded",
    "Virtual timer expired",
    "Profiling timer expired",
    "Window changed",
    "I/O possible",
    "Power failure",
    "Bad system call",
)
"""Of Linux, from signal 1 on, as strsignal(3) calls them."""
_REAL_TIME_MIN = 34


def exit_code(status: int) -> int | None:
    """What the process exited with; None when a signal ended it."""
    return None if status & 0x7F else status >> 8 & 0xFF


def describe_wait_status(status: int) -> str:
    """How a process ended: `exited with status 1`, `terminated with signal Killed`."""
    number = status & 0x7F
    if not number:
        return f"exited with status {exit_code(status)}"
    dumped = " (core dumped)" if status & 0x80 else ""
    return f"terminated with signal {_signal_name(number)}{dumped}"


def _signal_name(number: int) -> str:
    if number <= len(_SIGNALS):
        return _SIGNALS[number - 1]
    if number >= _REAL_TIME_MIN:
        return f"Real-time signal {number - _REAL_TIME_MIN}"
    return f"Unknown signal {number}"
