"""Volumes on disk: made, kept, moved away, erased, seen in sandboxes; and what tasks cannot do to others' files."""

import os
import pwd
from pathlib import Path

import pytest

from tepui.containers.volumes import VolumeError, erase, link_volume, make_volume, move_away, unlink_volume

PARTS = ("volumes", "roles", "eng dev", "v1")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "disk")


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    path = tmp_path / "sandbox"
    path.mkdir()
    return path


def test_a_volume_is_made_once_and_keeps_what_is_in_it(root: str) -> None:
    umask = os.umask(0o077)
    try:
        make_volume(root, PARTS)
    finally:
        os.umask(umask)
    volume = Path(root, *PARTS)
    (volume / "file").write_text("kept")
    make_volume(root, PARTS)
    assert (volume / "file").read_text() == "kept"
    assert volume.stat().st_mode & 0o777 == 0o755


def test_a_destroyed_volume_is_out_of_the_way_at_once_and_erased_later(root: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("somebody else's")
    make_volume(root, PARTS)
    volume = Path(root, *PARTS)
    (volume / "deep/er").mkdir(parents=True)
    (volume / "deep/er/file").write_text("x")
    (volume / "way out").symlink_to(outside)
    move_away(root, PARTS, "trash-1")
    assert not volume.exists()
    make_volume(root, PARTS)
    assert list(volume.iterdir()) == []
    (volume / "new").write_text("of the next one")
    erase(root, PARTS, "trash-1")
    assert list(Path(root, "volumes/.removed").iterdir()) == []
    assert (volume / "new").exists()
    assert (outside / "precious").exists()


def test_moving_and_erasing_again_after_a_crash_changes_nothing(root: str) -> None:
    move_away(root, PARTS, "trash-1")
    erase(root, PARTS, "trash-1")
    make_volume(root, PARTS)
    move_away(root, PARTS, "trash-1")
    move_away(root, PARTS, "trash-1")
    erase(root, PARTS, "trash-1")
    erase(root, PARTS, "trash-1")


def test_of_a_mount_disk_the_content_goes_and_the_root_stays(root: str) -> None:
    with pytest.raises(VolumeError, match=r"^The volume at '.*/disk' cannot be made on its disk: No such file"):
        make_volume(root, ())
    Path(root).mkdir()
    make_volume(root, ())
    Path(root, "lost+found").mkdir()
    Path(root, "file").write_text("x")
    move_away(root, (), "trash-1")
    assert [path.name for path in Path(root).iterdir()] == [".removed-trash-1"]
    Path(root, "new").write_text("of the next one")
    erase(root, (), "trash-1")
    assert [path.name for path in Path(root).iterdir()] == ["new"]


def test_a_disk_that_is_not_there_or_refuses_is_a_sentence(root: str) -> None:
    Path(root).write_text("a file")
    with pytest.raises(VolumeError, match=r"^The volume at '.*/disk/volumes/roles/eng dev/v1' cannot be made"):
        make_volume(root, PARTS)
    with pytest.raises(VolumeError, match="cannot be moved away: Not a directory"):
        move_away(root, PARTS, "trash-1")


def test_a_run_sees_its_volume_as_a_link(root: str, sandbox: Path) -> None:
    make_volume(root, PARTS)
    link_volume(sandbox, "logs/today", root, PARTS, user=None, keep_owner=False)
    (sandbox / "logs/today/file").write_text("x")
    assert Path(root, *PARTS, "file").read_text() == "x"
    link_volume(sandbox, "logs/today", root, PARTS, user=None, keep_owner=False)
    unlink_volume(sandbox, "logs/today", root, (*PARTS[:-1], "another"))
    assert (sandbox / "logs/today").is_symlink()
    unlink_volume(sandbox, "logs/today", root, PARTS)
    unlink_volume(sandbox, "logs/today", root, PARTS)
    assert not (sandbox / "logs/today").exists()
    assert Path(root, *PARTS, "file").exists()


def test_what_is_in_the_way_stays_and_what_is_missing_is_told(root: str, sandbox: Path) -> None:
    with pytest.raises(VolumeError, match="cannot be seen at 'data' in the sandbox: No such file or directory"):
        link_volume(sandbox, "data", root, PARTS, user=None, keep_owner=False)
    make_volume(root, PARTS)
    (sandbox / "data").mkdir()
    with pytest.raises(VolumeError, match="cannot be seen at 'data' in the sandbox: something else is there"):
        link_volume(sandbox, "data", root, PARTS, user=None, keep_owner=False)
    assert (sandbox / "data").is_dir()


def test_a_link_in_the_sandbox_leads_nobody_astray(root: str, sandbox: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (sandbox / "logs").symlink_to(outside)
    make_volume(root, PARTS)
    with pytest.raises(VolumeError):
        link_volume(sandbox, "logs/today", root, PARTS, user=None, keep_owner=False)
    assert list(outside.iterdir()) == []


@needs_root
def test_the_volume_belongs_to_the_user_of_the_task_unless_others_use_it(root: str, sandbox: Path) -> None:
    make_volume(root, PARTS)
    volume = Path(root, *PARTS)
    link_volume(sandbox, "data", root, PARTS, user="nobody", keep_owner=True)
    assert volume.stat().st_uid == 0
    link_volume(sandbox, "data", root, PARTS, user="nobody", keep_owner=False)
    assert volume.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert volume.parent.stat().st_uid == 0
    with pytest.raises(VolumeError, match="There is no user 'nobody-at-all' on this machine"):
        link_volume(sandbox, "data", root, PARTS, user="nobody-at-all", keep_owner=False)
