"""Any bad model file is refused in one way, runs nothing, writes nothing and takes little memory."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.forging import content_of, forged, smallest
from tests.hostile.kinds import KINDS, make_all
from tests.hostile.watching import MOST_MEMORY, loads, run

Found = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Result of loading each kind, by its name."""
    folder = tmp_path_factory.mktemp("hostile")
    return {each["name"]: each for each in loads(make_all(folder), folder)}


def those(found: Found, key: str, unlike: Any) -> Found:
    return {name: each for name, each in found.items() if each[key] != unlike}


@pytest.mark.slow
def test_every_kind_is_refused_by_one_exception(found: Found) -> None:
    assert len(found) == KINDS >= 40
    assert those(found, "error", unlike="CheckpointError") == {}


REASONS = {
    "an empty file": "not a whole .npz file: 0 bytes long",
    "a pickle": "not a whole .npz file",
    "a program in Python, without a model": "a program that holds no model",
    "a program with a byte behind its model": "not a whole .npz file",
    "a program with a program as its model": "not a whole .npz file",
    "a first line and no more": "a program that holds no model",
    "a model of format 1": "found format 1",
    "10,001 members": "10,001 entries",
    "200,000 members": "not a whole .npz file",
    "a name of 60,000 letters": "2 entries, listed in 60,",
    "a bomb, deflated": "its directory is not as this program writes it",
    "a page in front": "its directory is not as this program writes it",
    "two members of one name": "two entries of one name",
    "a name into the folder above": "an entry named b'../x.npy'",
    "a checksum that is another, in both heads": "its checksum does not match",
    "a name that differs in the local header": "its header is not as this program writes it",
    "a header of 2 MB of brackets": "not a header of at most 1,048,576 bytes",
    "a header of 1 MB of nested brackets": "more than 10,000 lists and objects",
    "a header nested 5,000 deep": "found format" if sys.version_info >= (3, 13) else "its header is not JSON",
    "a key twice": "its header is not an object as this program writes it",
    "a number that is none": "its header is not JSON",
    "core_blocks of 100,000": "model.core_blocks is more than 135",
    "a shape of (2**62, 4), which is 0 in 64 bits": "is not as long as its shape",
    "objects": "is not an array of float32 or float16 or int8 or uint8 in C order",
    "a catalogue of one line of 30 MB": "found text that is not JSON",
    "two gifts of one id": 'found "gift1" again',
    "zeros without end": "not a file but a device",
    "a pipe that nobody writes to": "not a file but a device, a pipe",
    "5 GB of nothing": "not a whole .npz file",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REASONS)
def test_the_reason_is_the_first_that_there_is(found: Found, name: str) -> None:
    assert REASONS[name] in found[name]["message"]


@pytest.mark.slow
def test_it_says_so_in_one_line(found: Found) -> None:
    assert [each for each in found.values() if not each["message"].isprintable()] == []
    assert [each for each in found.values() if len(each["message"]) - len(each["path"]) > 500] == []


@pytest.mark.slow
def test_nothing_is_run_written_or_imported(found: Found) -> None:
    assert those(found, "events", unlike=[]) == {}


@pytest.mark.slow
def test_little_memory_is_taken(found: Found) -> None:
    assert [each for each in found.values() if each["bytes"] > MOST_MEMORY] == []


def test_a_forged_file_is_wrong_in_nothing_but_what_it_is_forged_for() -> None:
    assert forged(*content_of(smallest())) == smallest()


WATCHED = {
    "exec": "exec('1')",
    "compile": "eval('1')",
    "open": "open('{folder}/written', 'w')",
    "os.remove": "os.remove('{folder}/nothing')",
    "import": "import this_is_not_there",
    "subprocess.Popen": "subprocess.run(['true'])",
    "os.system": "os.system('true')",
    "socket.__new__": "socket.socket()",
    "marshal.loads": "marshal.loads(b'N')",
    "pickle.find_class": "pickle.loads(b'cos\\nsystem\\n.')",
    "shutil.rmtree": "shutil.rmtree('{folder}/nothing')",
}


def test_the_watch_sees_what_it_is_there_for(tmp_path: Path) -> None:
    statements = [statement.format(folder=tmp_path) for statement in WATCHED.values()]
    functions = "".join(f"def do_{at}():\n    {statement}\n" for at, statement in enumerate(statements))
    program = f"""
import json, marshal, os, pickle, shutil, socket, subprocess
from tests.hostile.watched_load import Watch, watched
{functions}
watch = Watch()
for do in ({"".join(f"do_{at}, " for at in range(len(statements)))}):
    watch.events = []
    print(json.dumps(watched(watch, do)["events"]))
"""
    seen = run(["-c", program]).splitlines()
    for event, events in zip(WATCHED, seen, strict=True):
        assert event in json.loads(events), event


def test_the_watch_sees_memory_that_is_taken_and_given_back() -> None:
    program = """
from tests.hostile.watched_load import Watch, in_a_child
print(in_a_child(Watch(), lambda: len(b"x" * 10**8))["bytes"])
"""
    assert int(run(["-c", program])) >= 10**8 - MOST_MEMORY // 64


def test_a_load_that_ends_its_process_is_told_from_a_refusal() -> None:
    program = """
import os
from tests.hostile.watched_load import Watch, in_a_child
print(in_a_child(Watch(), lambda: os._exit(5))["error"])
"""
    assert "ended with status" in run(["-c", program])
