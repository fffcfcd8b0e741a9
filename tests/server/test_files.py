"""Files that a server shows: only what was attached, and nothing that a link leads out to."""

from pathlib import Path

import pytest

from tepui.server.files import READ_BYTES_MAX, Files, FilesError


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    folder = tmp_path / "sandbox"
    folder.mkdir()
    (folder / "stdout").write_bytes(b"0123456789")
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_bytes(b"x" * (READ_BYTES_MAX + 1))
    return folder


def test_a_virtual_path_leads_to_what_is_attached_and_below(sandbox: Path) -> None:
    files = Files()
    files.attach("/frameworks/f/executors/e/runs/latest", str(sandbox))
    assert files.read("/frameworks/f/executors/e/runs/latest/stdout", 2, 3) == (10, b"234")
    assert [e.path for e in files.browse("/frameworks/f/executors/e/runs/latest/")] == [
        "/frameworks/f/executors/e/runs/latest/deep",
        "/frameworks/f/executors/e/runs/latest/stdout",
    ]
    entry = files.browse("/frameworks/f/executors/e/runs/latest")[1]
    assert (entry.size, entry.mode_text[0]) == (10, "-")


def test_a_read_without_offset_tells_the_size_and_no_read_is_longer_than_the_limit(sandbox: Path) -> None:
    files = Files()
    files.attach(str(sandbox), str(sandbox))
    assert files.read(f"{sandbox}/stdout", None, None) == (10, b"")
    assert files.read(f"{sandbox}/stdout", -1, 5) == (10, b"")
    for beyond in (10, 99, 2**63, 2**64):
        assert files.read(f"{sandbox}/stdout", beyond, None) == (10, b"")
    size, data = files.read(f"{sandbox}/deep/file", 0, -1)
    assert (size, len(data)) == (READ_BYTES_MAX + 1, READ_BYTES_MAX)


@pytest.mark.parametrize(
    "path", ["/", "", "/etc/passwd", "/box/../secret", "/box/nothing", "/box/out/secret", "/box/loop", "/box/\0"]
)
def test_what_is_not_attached_or_leads_out_is_not_there(tmp_path: Path, sandbox: Path, path: str) -> None:
    (tmp_path / "secret").write_text("s")
    (sandbox / "out").symlink_to(tmp_path)
    (sandbox / "loop").symlink_to(sandbox / "loop")
    files = Files()
    files.attach("/box", str(sandbox))
    with pytest.raises(FilesError) as error:
        files.resolve(path)
    assert error.value.status == 404


def test_a_folder_cannot_be_read(sandbox: Path) -> None:
    files = Files()
    files.attach("/box", str(sandbox))
    with pytest.raises(FilesError, match="Cannot read a directory") as error:
        files.read("/box", 0, 1)
    assert error.value.status == 400


def test_what_was_detached_is_gone(sandbox: Path) -> None:
    files = Files()
    files.attach("/box/", str(sandbox))
    assert files.attached() == {"/box": str(sandbox)}
    files.detach("/box", "/what/was/there/before")
    assert files.attached() == {"/box": str(sandbox)}
    files.detach("/box", str(sandbox))
    with pytest.raises(FilesError):
        files.browse("/box")
