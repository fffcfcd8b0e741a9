"""What tests ask about processes that they did not start themselves."""

from pathlib import Path


def alive(pid: int) -> bool:
    """Whether there is such a process; one that only waits to be reaped is none, whoever should do that."""
    try:
        content = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return content[content.rfind(b")") + 2 : content.rfind(b")") + 3] not in (b"Z", b"X")
