"""A picture is written wholly or not at all, and never over data."""

import errno
import os
from pathlib import Path

import pytest

from isactrack.errors import ConfigError, RecordingError
from isactrack.gui.models.picture_file import check_picture, write_picture
from isactrack.recordings.superblock import SIGNATURE

PNG = b"\x89PNG\r\n\x1a\n" + bytes(1000)


def test_a_picture_replaces_an_older_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for content in (PNG, PNG + b"more"):
        check_picture(path)
        write_picture(path, content)
        assert path.read_bytes() == content
        assert list(tmp_path.iterdir()) == [path]


def test_the_check_alone_changes_nothing(tmp_path: Path) -> None:
    check_picture(tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_a_link_is_followed_not_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target.png", tmp_path / "link.png"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_picture(link, PNG)
    assert link.is_symlink()
    assert target.read_bytes() == PNG


def test_what_must_stay_is_refused(tmp_path: Path) -> None:
    recording, protected, folder = tmp_path / "walk.png", tmp_path / "ro.png", tmp_path / "dir.png"
    recording.write_bytes(SIGNATURE + b"samples")
    protected.write_bytes(b"precious")
    protected.chmod(0o444)
    folder.mkdir()
    before = sorted(tmp_path.iterdir())
    for path, word in ((recording, "is a recording"), (protected, "write-protected"), (folder, "no file")):
        with pytest.raises(RecordingError, match=word) as caught:
            check_picture(path)
        assert caught.value.hint
        with pytest.raises(RecordingError, match=word):
            write_picture(path, PNG)
    assert recording.read_bytes() == SIGNATURE + b"samples"
    assert protected.read_bytes() == b"precious"
    assert sorted(tmp_path.iterdir()) == before


def test_a_picture_over_another_file_of_the_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, hard = tmp_path / "cut.h5", tmp_path / "hard.png"
    source.write_bytes(b"")
    hard.hardlink_to(source)
    monkeypatch.chdir(tmp_path)
    for path, other in ((source, Path("cut.h5")), (hard, source), (Path("new.h5"), tmp_path / "new.h5")):
        with pytest.raises(ConfigError, match="would be written over"):
            check_picture(path, None, other)
    check_picture(tmp_path / "a.png", None, source, tmp_path / "new.h5")


def test_a_folder_that_is_not_there_or_not_writable_is_found_early(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no folder"):
        check_picture(tmp_path / "no" / "a.png")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RecordingError, match="Not a directory"):
        check_picture(tmp_path / "file" / "a.png")
    if Path("/proc/self").is_dir():  # nobody can make files there, not even the superuser
        with pytest.raises(RecordingError, match="folder"):
            check_picture(Path("/proc/self/a.png"))


def test_a_full_disk_leaves_the_old_picture_and_no_part_of_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("isactrack.gui.models.picture_file.os.fsync", full)
    with pytest.raises(RecordingError, match="No space left") as caught:
        write_picture(path, PNG)
    assert caught.value.hint
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
