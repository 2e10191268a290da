"""Files are written whole or not at all, lines are appended whole, and a folder has one writer."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.training.small_run import new_run, small
from trm_np.storage.files import (
    FolderInUse,
    WriteError,
    append_line,
    atomic_write,
    clear_temporaries,
    cut,
    keep_as,
    lock_folder,
    require_plain,
    unlock_folder,
    warn_once,
)
from trm_np.training.run import OutputError


def test_a_file_is_written_and_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"first", b"the second, longer"):
        atomic_write(path, content[:3], memoryview(content[3:]))
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_of_a_killed_run_are_overwritten_or_removed(tmp_path: Path) -> None:
    for name in (".file.0123.tmp", ".other.4567.tmp", ".other.tmp", ".others.4567.tmp", "other.tmp"):
        (tmp_path / name).write_bytes(b"a long half of something")
    atomic_write(tmp_path / "file", b"whole")
    clear_temporaries(tmp_path, ["file", "other"])
    assert {file.name for file in tmp_path.iterdir()} == {"file", ".others.4567.tmp", "other.tmp"}
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_a_temporary_name_that_is_a_link_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trm_np.storage.files.os.urandom", lambda _: b"known")
    (tmp_path / "theirs").write_bytes(b"as it was")
    (tmp_path / f".file.{b'known'.hex()}.tmp").symlink_to(tmp_path / "theirs")
    with pytest.raises(WriteError):
        atomic_write(tmp_path / "file", b"ours")
    assert (tmp_path / "theirs").read_bytes() == b"as it was"


@pytest.mark.posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_a_file_keeps_its_permissions(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    path.chmod(mode)
    atomic_write(path, b"after", mode=0o666)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"after", mode)


@pytest.mark.posix
def test_a_new_file_has_the_requested_permissions_less_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "file", b"", mode=0o777)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o750


@pytest.mark.posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root gives files away")
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    os.chown(path, 12345, 54321)
    path.chmod(0o640)
    atomic_write(path, b"after")
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12345, 54321, 0o640)


@pytest.mark.parametrize("target_exists", [True, False])
def test_a_link_is_followed(target_exists: bool, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "target", tmp_path / "link"
    if target_exists:
        target.write_bytes(b"before")
    link.symlink_to(Path("elsewhere", "target"))
    atomic_write(link, b"after")
    assert link.is_symlink() and target.read_bytes() == b"after" and not target.is_symlink()
    assert sorted(tmp_path.rglob("*")) == [target.parent, target, link]


@pytest.mark.posix
def test_anything_but_a_regular_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    for path in before:
        with pytest.raises(WriteError, match=r"cannot be written \(it exists and is not a regular file\)"):
            atomic_write(path, b"ours")
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "pipe").is_fifo()


def test_a_write_error_has_path_reason_and_size() -> None:
    with pytest.raises(WriteError) as refused:
        atomic_write(Path("/dev/no folder/a"), b"12", b"345")
    assert str(refused.value).startswith("/dev/no folder/a: cannot be written (No such file or directory)")
    assert str(refused.value).endswith("it takes 5 bytes")


def test_lines_are_appended(tmp_path: Path) -> None:
    for line in ("ışık", "second"):
        append_line(tmp_path / "log", line)
    assert (tmp_path / "log").read_text(encoding="utf-8") == "ışık\nsecond\n"


def test_the_older_file_is_kept_when_the_newer_is_written(tmp_path: Path) -> None:
    file, older = tmp_path / "file", tmp_path / "older"
    keep_as(file, older)
    assert list(tmp_path.iterdir()) == []
    for content, before in ((b"one", None), (b"two", b"one"), (b"three", b"two")):
        keep_as(file, older)
        atomic_write(file, content)
        assert (older.read_bytes() if before else None) == before
    assert sorted(tmp_path.iterdir()) == [file, older]


def test_a_second_writer_of_a_folder_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    lock = lock_folder(tmp_path)
    with pytest.raises(FolderInUse, match=rf"in use by process {os.getpid()} on .* since \d{{4}}-"):
        lock_folder(tmp_path)
    unlock_folder(lock)
    unlock_folder(lock_folder(tmp_path))


def another(folder: Path, kind: str) -> Path:
    """A foreign file, and in the place of our file a link to it, a pipe or a folder."""
    theirs, ours = folder / "theirs", folder / "ours"
    theirs.write_bytes(b"as it was")
    if kind == "link":
        ours.symlink_to(theirs)
    elif kind == "pipe":
        os.mkfifo(ours)
    else:
        ours.mkdir()
    return ours


@pytest.mark.parametrize("kind", ["link", pytest.param("pipe", marks=pytest.mark.posix), "folder"])
def test_a_log_or_lock_that_is_not_a_regular_file_is_refused_and_unchanged(tmp_path: Path, kind: str) -> None:
    ours = another(tmp_path, kind)
    lock = tmp_path / "run" / ".lock"
    lock.parent.mkdir()
    ours.rename(lock)
    for write in (
        lambda: append_line(lock, "a line"),
        lambda: cut(lock, 0),
        lambda: lock_folder(lock.parent),
        lambda: require_plain(lock) if kind != "folder" else append_line(lock, ""),
    ):
        with pytest.raises(OSError, match=r"is a link or not a regular file|s a directory"):
            write()
    assert (tmp_path / "theirs").read_bytes() == b"as it was"


@pytest.mark.parametrize("name", ["metrics.jsonl", "times.jsonl", ".lock"])
@pytest.mark.parametrize("kind", ["link", pytest.param("pipe", marks=pytest.mark.posix), "folder"])
def test_a_run_refuses_such_a_folder_before_it_begins(tmp_path: Path, kind: str, name: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    another(tmp_path, kind).rename(folder / name)
    with pytest.raises(OutputError, match=rf"{name} is a|s a directory"):
        new_run(folder, small(training__epochs=1))
    assert (tmp_path / "theirs").read_bytes() == b"as it was"


def test_the_last_of_two_concurrent_writers_wins_with_a_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, replace = tmp_path / "file", os.replace

    def while_another_writes(temporary: Path, target: Path) -> None:
        monkeypatch.setattr("trm_np.storage.files.os.replace", replace)
        atomic_write(path, b"the other's")
        assert path.read_bytes() == b"the other's"
        replace(temporary, target)

    monkeypatch.setattr("trm_np.storage.files.os.replace", while_another_writes)
    atomic_write(path, b"ours")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("file", b"ours")]


@pytest.mark.posix
def test_a_pipe_that_a_link_leads_to_is_refused(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    link = tmp_path / "stdout"
    link.symlink_to(f"/dev/fd/{writing}")
    try:
        with pytest.raises(WriteError, match="it exists and is not a regular file"):
            atomic_write(link, b"x")
    finally:
        os.close(reading)
        os.close(writing)
    assert link.is_symlink()


def test_the_longest_possible_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    atomic_write(path, b"whole")
    assert path.read_bytes() == b"whole"


@pytest.mark.parametrize(("refusals", "is_replaced"), [(3, True), (99, False)])
def test_on_windows_a_file_that_is_open_for_a_moment_is_replaced_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusals: int, is_replaced: bool
) -> None:
    path, replace, left = tmp_path / "file", os.replace, iter(range(refusals))
    path.write_bytes(b"before")

    def busy(source: Path, target: Path) -> None:
        if next(left, None) is not None:
            raise PermissionError(errno.EACCES, "in use")
        replace(source, target)

    monkeypatch.setattr("trm_np.systems.RETRIES", (0.0,) * 5)
    monkeypatch.setattr("trm_np.systems.os.replace", busy)
    monkeypatch.setattr("trm_np.systems.os.O_BINARY", 0, raising=False)
    with nullcontext() if is_replaced else pytest.raises(WriteError, match="in use"):
        atomic_write(path, b"after")
    assert path.read_bytes() == (b"after" if is_replaced else b"before")
    assert list(tmp_path.iterdir()) == [path]


CANNOT = ("EINVAL", "ENOSYS", "ENOTSUP", "ENOLCK")


@pytest.fixture
def warned_of_nothing() -> Iterator[None]:
    warn_once.cache_clear()
    yield
    warn_once.cache_clear()


def fails(name: str) -> Callable[..., None]:
    def call(*_: object) -> None:
        raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))

    return call


@pytest.mark.usefixtures("warned_of_nothing")
@pytest.mark.parametrize("name", CANNOT)
def test_a_file_system_that_cannot_fsync_is_written_to_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setattr("trm_np.storage.files.os.fsync", fails(name))
    atomic_write(tmp_path / "file", b"whole")
    append_line(tmp_path / "log", "a line")
    cut(tmp_path / "log", 3)
    assert ((tmp_path / "file").read_bytes(), (tmp_path / "log").read_bytes()) == (b"whole", b"a l")
    assert capsys.readouterr().err.splitlines() == [
        "Warning: this file system cannot flush files to disk (fsync): a power failure may damage them"
    ]


@pytest.mark.usefixtures("warned_of_nothing")
@pytest.mark.parametrize("name", CANNOT)
def test_a_file_system_without_locks_is_trained_on_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setattr("fcntl.flock", fails(name))
    for _ in range(2):
        unlock_folder(lock_folder(tmp_path))
    assert capsys.readouterr().err.splitlines() == [
        "Warning: this file system cannot lock the folder (flock): make sure that only one run uses it"
    ]


@pytest.mark.parametrize("name", ["EIO", "ENOSPC", "EROFS"])
def test_a_failing_disk_is_an_error_and_not_an_unsupported_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("trm_np.storage.files.os.fsync", fails(name))
    with pytest.raises(WriteError):
        atomic_write(tmp_path / "file", b"whole")
    assert list(tmp_path.iterdir()) == []
