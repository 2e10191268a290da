"""Files are written whole or not at all."""

from pathlib import Path
from typing import BinaryIO

import pytest

from trm_np.files import write_whole


def fail(file: BinaryIO) -> None:
    file.write(b"half of")
    raise OSError(28, "No space left on device")


def test_it_writes_and_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"first", b"the second, longer"):
        write_whole(path, lambda file, content=content: file.write(content))  # type: ignore[misc]
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("before", [None, b"as it was"])
def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, fail)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([] if before is None else [before])


def test_what_a_killed_run_left_behind_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".file.tmp").write_bytes(b"a long half of something")
    write_whole(tmp_path / "file", lambda file: file.write(b"whole"))
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"whole"]
