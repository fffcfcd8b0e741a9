"""The programs and tests in the how-to page, as somebody would run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-your-framework.md"


def test_the_page(tmp_path: Path) -> None:
    """Its two test modules pass with its framework, and fail with one that does not start its command again."""
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert [name for name, _ in blocks] == ["keeper.py", "test_keeper.py", "test_whole.py"]
    for name, text in blocks:
        (tmp_path / name).write_text(text)
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
    keeper = (tmp_path / "keeper.py").read_text()
    (tmp_path / "keeper.py").write_text(keeper.replace("elif event.is_terminal:", "elif False:"))
    script = (tmp_path / "test_keeper.py").read_text()
    (tmp_path / "test_keeper.py").write_text(
        script.replace("len(transport.launched) == 2)", "len(transport.launched) == 2, 0.3)")
    )
    done = run_pytest(tmp_path, "test_keeper.py")
    assert done.returncode == 1
    assert "TimeoutError" in done.stdout


def run_pytest(directory: Path, *names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *names]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=100, check=False)
