"""Where sandboxes are, whose they are, and what does not become one."""

import os
import pwd
import stat
from pathlib import Path

import pytest

from tepui.containers.sandbox import SandboxError, create_nested_sandbox, create_sandbox

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
IDS = ("agent-S1", "framework-0000", "executor one")


def test_the_layout_is_that_of_mesos(tmp_path: Path) -> None:
    runs = tmp_path / "slaves/agent-S1/frameworks/framework-0000/executors/executor one/runs"
    umask = os.umask(0o077)
    try:
        first = create_sandbox(tmp_path, *IDS, "c1")
    finally:
        os.umask(umask)
    assert first == runs / "c1"
    assert first.stat().st_mode & 0o7777 == 0o750
    assert (runs / "latest").resolve() == first.resolve()
    (first / "file").write_text("kept")
    second = create_sandbox(tmp_path, *IDS, "c2")
    assert (runs / "latest").resolve() == second.resolve()
    assert create_sandbox(tmp_path, *IDS, "c1") == first
    assert (first / "file").read_text() == "kept"
    assert sorted(path.name for path in runs.iterdir()) == ["c1", "c2", "latest"]


@pytest.mark.parametrize("bad", ["", ".", "..", "a/b", "/", "a\0b", "x" * 256, "latest"])
@pytest.mark.parametrize("position", range(4))
def test_ids_that_are_no_file_names_are_refused(tmp_path: Path, bad: str, position: int) -> None:
    ids = [*IDS, "c1"]
    ids[position] = bad
    with pytest.raises(SandboxError, match="cannot be the name of a directory"):
        create_sandbox(tmp_path, ids[0], ids[1], ids[2], ids[3])
    assert list(tmp_path.iterdir()) == []


def test_what_the_file_system_refuses_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "slaves").write_text("a file")
    with pytest.raises(SandboxError, match=r"^Cannot make the sandbox '.*/c1': Not a directory$"):
        create_sandbox(tmp_path, *IDS, "c1")


def test_each_task_of_a_group_has_a_sandbox_in_that_of_its_executor(tmp_path: Path) -> None:
    sandbox = create_sandbox(tmp_path, *IDS, "c1")
    nested = create_nested_sandbox(sandbox, "n1", "task 1")
    assert nested == sandbox / "containers/n1"
    assert (sandbox / "tasks/task 1").resolve() == nested.resolve()
    with pytest.raises(SandboxError):
        create_nested_sandbox(sandbox, "n2", "../n1")


def test_links_in_a_sandbox_are_not_followed(tmp_path: Path) -> None:
    sandbox = create_sandbox(tmp_path, *IDS, "c1")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (sandbox / "containers").symlink_to(elsewhere)
    with pytest.raises(SandboxError):
        create_nested_sandbox(sandbox, "n1", "t1")
    assert list(elsewhere.iterdir()) == []


@needs_root
def test_the_sandbox_is_the_users_and_what_is_above_is_not(tmp_path: Path) -> None:
    uid = pwd.getpwnam("nobody").pw_uid
    sandbox = create_sandbox(tmp_path, *IDS, "c1", user="nobody")
    assert (sandbox.stat().st_uid, sandbox.parent.stat().st_uid) == (uid, os.geteuid())
    nested = create_nested_sandbox(sandbox, "n1", "t1", user="nobody")
    assert {path.stat().st_uid for path in (nested, nested.parent, sandbox / "tasks")} == {uid}
    with pytest.raises(SandboxError, match="There is no user 'no-such-user' on this machine"):
        create_sandbox(tmp_path, *IDS, "c2", user="no-such-user")


@needs_root
def test_a_task_of_another_user_can_reach_its_own_sandbox_and_nothing_else(tmp_path: Path) -> None:
    sandbox = create_sandbox(tmp_path, *IDS, "c1", user="daemon")
    nested = create_nested_sandbox(sandbox, "n1", "t1", user="nobody")
    assert [path.owner() for path in (sandbox, nested.parent, sandbox / "tasks", nested)] == [*3 * ["daemon"], "nobody"]
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (sandbox, nested.parent, sandbox / "tasks", nested)]
    assert modes == [0o751, 0o751, 0o750, 0o750]
