"""Changes of many files as one: whole or not at all, whatever happens, and taken back to the last byte."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REPOSITORY
from folders import annotation, photo
from hypothesis import given, settings
from hypothesis import strategies as st

from ssdprep import disk, files, journal
from ssdprep.record import Severity, SsdprepError

on_posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
State = dict[str, tuple[bytes, int, int]]


def state(folder: Path) -> State:
    """Bytes, mode and time of every file but those of ssdprep's own folder; what is left over would show."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        name: (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in paths
        if not (name := path.relative_to(folder).as_posix()).startswith(".ssdprep/")
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two photos and their XML, with modes and times of their own."""
    folder = tmp_path / "data"
    for number, name in enumerate(("a.jpg", "a.xml", "sub/b.jpg", "sub/b.xml")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"old {name}".encode())
        path.chmod(0o600 if number % 2 else 0o640)
        os.utime(path, ns=(10**18, 10**18 + number * 1_000_000_007))
    return folder


def change(folder: Path, *names: str, to: bytes = b"new") -> None:
    with files.transaction(folder, "fix-exif") as transaction:
        for name in names or ("a.jpg", "a.xml", "sub/b.jpg", "sub/b.xml"):
            transaction.replace(folder / name, to)


# --- crashes ---------------------------------------------------------------------------------------------------------


MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # what is tested there is order, not the disk


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder that every user may enter, in memory where there is such."""
    folder = Path(tempfile.mkdtemp(dir=MEMORY))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@on_posix
@pytest.mark.parametrize(
    ("scenario", "at_least"),
    [
        ("killed_change", 30),
        ("killed_recovery", 200),
        ("killed_undo", 30),
        ("killed_way_back", 60),
        ("failing_step", 60),
        ("torn_journal", 100),
        ("full_disk", 1),
        ("forbidden", 3),
        ("sticky", 1),
    ],
)
def test_whatever_happens_all_is_old_or_new(quick, scenario, at_least):
    if scenario == "sticky" and os.getuid() != 0:
        pytest.skip("only root can make files that belong to two users")
    command = [sys.executable, "-W", "error", REPOSITORY / "tests/crash_files.py", scenario, quick]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= at_least


_LIMITED = """
import os, resource, sys
from ssdprep import cli
limit = int(sys.argv.pop(1))
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
elif os.getuid() == 0:
    import contextlib, io
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        words, sys.argv = sys.argv, [*sys.argv, "--dry-run"]
        cli.main()  # whatever is imported late must be in memory before rights are dropped
    sys.argv = words
    os.setuid(65534)
cli.main()
"""


@on_posix
@pytest.mark.parametrize("words", [["fix-exif"], ["repair", "--only", "all"]])
@pytest.mark.parametrize(
    ("trouble", "reason", "remedy"),
    [("full", "File too large", "make room on the disk"), ("sealed", "Permission denied", "chmod -R")],
)
def test_a_command_that_cannot_go_on_says_that_nothing_is_changed(quick, words, trouble, reason, remedy):
    for number in range(3):  # the last is the one that cannot be written
        big = number == 2
        photo(quick / f"{number}/a.jpg", (900, 600) if big else (96, 64), orientation=6, seed=number)
        boxes = [("apple ", 10 + 2 * i, 10, 30 + 2 * i, 40) for i in range(300 if big else 1)]
        annotation(quick / f"{number}/a.xml", boxes, size=(900, 600) if big else (96, 64))
    for path in [quick, *quick.rglob("*")]:
        if os.getuid() == 0:
            os.chown(path, 65534, -1)
    if trouble == "sealed":
        (quick / "2").chmod(0o555)
    old = state(quick)
    command = [sys.executable, "-c", _LIMITED, "16000" if trouble == "full" else "0", words[0], quick, *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    (quick / "2").chmod(0o755)
    assert done.returncode == 2, done.stdout
    said = " ".join(done.stderr.split())
    assert re.search(rf"2/a\.(jpg|xml) cannot be changed: {reason}; this run changed nothing try: .*{remedy}", said)
    assert state(quick) == old
    assert not (quick / ".ssdprep").exists()


def test_what_was_edited_after_a_crash_is_not_overwritten(data, cli):
    code = (
        "from ssdprep import files, journal\n"
        "from pathlib import Path\n"
        "import os, sys\n"
        "moves = []\n"
        "def die(step):\n"
        "    moves.append(step)\n"
        "    if moves.count('replace a file') == 3: os._exit(99)\n"
        "journal.on_step = die\n"
        "with files.transaction(Path(sys.argv[1]), 'fix-exif') as change:\n"
        "    for name in 'a.jpg', 'a.xml', 'sub/b.jpg', 'sub/b.xml': change.replace(Path(sys.argv[1], name), b'new')\n"
    )
    old = state(data)
    assert subprocess.run([sys.executable, "-c", code, data], cwd=REPOSITORY).returncode == 99
    assert (data / "a.xml").read_bytes() == b"new"
    (data / "sub/b.xml").write_bytes(b"edited")
    done = cli("undo", data)
    assert done.code == 2
    assert re.search(r"b\.xml was changed after that.*move your version out", done.err, re.DOTALL)
    assert (data / "sub/b.xml").read_bytes() == b"edited"
    (data / "sub/b.xml").unlink()
    assert files.recover(data)
    assert {name: what[0] for name, what in state(data).items()} == dict.fromkeys(old, b"new")


# --- undo ------------------------------------------------------------------------------------------------------------


def test_undo_by_hand(data, cli):
    old = state(data)
    change(data)
    new = state(data)
    assert {name: what[1:] for name, what in new.items()} == {name: what[1:] for name, what in old.items()}
    dry = cli("undo", data, "--dry-run")
    assert dry.code == 0
    assert all(name in dry.out for name in ("a.jpg", "sub/b.xml", "would bring back: 4 files", "fix-exif"))
    assert state(data) == new
    done = cli("undo", data, "--json")
    assert done.code == 0, done.err
    assert done.json["undone"] is True
    assert done.json["verb"] == "fix-exif"
    assert [Path(name).name for name in done.json["files"]] == ["a.jpg", "a.xml", "b.jpg", "b.xml"]
    assert state(data) == old
    assert not (data / ".ssdprep").exists()


def test_nothing_to_undo_is_one_line(data, cli):
    done = cli("undo", data)
    assert done.code == 0
    assert len(done.out.splitlines()) == 1
    assert "nothing to undo" in done.out
    assert cli("undo", data, "--json").json == {
        "undone": False,
        "verb": None,
        "when": "",
        "dry_run": False,
        "files": [],
        "recovered": None,
        "findings": [],
    }
    missing = cli("undo", data / "missing")
    assert missing.code == 2
    assert "is not a folder" in missing.err


@pytest.mark.parametrize("harm", ["edit", "remove", "lose", "spoil"])
def test_undo_refuses_where_something_would_be_lost(data, cli, harm):
    change(data)
    (kept,) = (data / ".ssdprep/backup").rglob("b.xml")
    {
        "edit": lambda: (data / "sub/b.xml").write_bytes(b"edited"),
        "remove": lambda: (data / "sub/b.xml").unlink(),
        "lose": lambda: kept.unlink(),
        "spoil": lambda: kept.write_bytes(b"spoilt"),
    }[harm]()
    before = state(data)
    done = cli("undo", data, "--json")
    assert done.code == 1
    (finding,) = done.json["findings"]
    assert finding["code"] == ("FIL001" if harm in ("edit", "remove") else "FIL002")
    assert finding["severity"] == Severity.ERROR
    assert finding["path"].endswith("sub/b.xml")
    assert finding["remedy"]
    assert done.json["undone"] is False
    assert state(data) == before
    assert "refused" in cli("undo", data).out


def test_several_changes_are_undone_last_first(data):
    states = [state(data)]
    for names in (("a.jpg", "a.xml"), ("a.xml", "made.txt"), ("sub/b.jpg",)):
        change(data, *names, to=f"new {names}".encode())
        states.append(state(data))
    with files.transaction(data, "fix-exif") as transaction:
        transaction.remove(data / "made.txt")
    assert "made.txt" not in state(data)
    for expected in reversed(states):
        assert files.undo(data).is_undone
        assert state(data) == expected
    assert files.undo(data).verb is None


def test_a_moved_folder_can_be_undone(data, tmp_path):
    old = state(data)
    change(data)
    moved = data.rename(tmp_path / "elsewhere")
    assert files.undo(moved).is_undone
    assert state(moved) == old


def test_an_interrupted_undo_that_was_complete_undoes_nothing_older(data):
    change(data, "a.jpg")
    older = state(data)
    change(data, "a.xml")
    code = "import sys; from ssdprep import files, journal\n"
    code += "journal.on_step = lambda step: step == 'forget what was undone' and __import__('os')._exit(99)\n"
    code += "files.undo(sys.argv[1])"
    assert subprocess.run([sys.executable, "-c", code, data], cwd=REPOSITORY).returncode == 99
    report = files.undo(data)
    assert report.recovered == ("undo", report.recovered.when, 1, True)
    assert state(data) == older
    assert files.undo(data).is_undone


def test_a_discarded_run_is_what_undo_undoes(data):
    change(data, "a.jpg")
    older = state(data)
    code = "import sys; from ssdprep import files, journal; from pathlib import Path\n"
    code += "journal.on_step = lambda step: step == 'note a mark' and __import__('os')._exit(99)\n"
    code += "with files.transaction(Path(sys.argv[1]), 'split') as c: c.replace(Path(sys.argv[1], 'a.xml'), b'new')"
    assert subprocess.run([sys.executable, "-c", code, data], cwd=REPOSITORY).returncode == 99
    report = files.undo(data)
    assert report.recovered
    assert not report.recovered.forward
    assert state(data) == older


names = st.lists(
    st.text(
        st.characters(codec="utf-8", exclude_characters="/\\\0", exclude_categories=["Cc"]), min_size=1, max_size=12
    )
    .map(str.strip)
    .filter(lambda name: name not in ("", ".", "..") and not name.startswith(".ssdprep")),
    min_size=1,
    max_size=2,
).map("/".join)
folders = st.dictionaries(names, st.binary(max_size=40), max_size=8)


def possible(wanted: dict[str, bytes]) -> dict[str, bytes]:
    """Without names that are a folder's too, or that some file systems take for the same."""
    unique = {name.casefold(): name for name in wanted}.values()
    parents = {name.casefold().partition("/")[0] for name in unique if "/" in name}
    return {name: wanted[name] for name in unique if name.casefold() not in parents}


@settings(max_examples=60, deadline=None)
@given(old=folders.map(possible), new=folders.map(possible), later=folders.map(possible), drop=st.randoms())
def test_any_changes_and_back(old, new, later, drop):
    with tempfile.TemporaryDirectory(dir=MEMORY) as scratch:
        folder = Path(scratch)
        for name, content in old.items():
            files.write_new(folder / name, content)
        states, trees = [state(folder)], [old]
        for wanted in (new, later):
            present = trees[-1]
            wanted = possible({**wanted, **present} | wanted)
            wanted = {name: data for name, data in wanted.items() if (folder / name).parent.is_dir()}
            gone = {name for name in present if name not in wanted or drop.random() < 0.2}
            with files.transaction(folder, "any-verb") as transaction:
                for name in wanted.keys() - gone:
                    if present.get(name) != wanted[name]:
                        transaction.replace(folder / name, wanted[name])
                for name in gone:
                    transaction.remove(folder / name)
            trees.append({name: data for name, data in wanted.items() if name not in gone})
            assert {name: what[0] for name, what in state(folder).items()} == trees[-1]
            states.append(state(folder))
        for before, after in zip(reversed(states[:-1]), reversed(states), strict=False):
            if trees[states.index(before)] != trees[states.index(after)]:
                assert files.undo(folder).is_undone
            assert state(folder) == before
        assert not (folder / ".ssdprep").exists()


# --- the transaction -------------------------------------------------------------------------------------------------


def test_an_exception_leaves_nothing(data):
    old = state(data)

    def fail() -> None:
        with files.transaction(data, "fix-exif") as transaction:
            transaction.replace(data / "a.jpg", b"new")
            assert state(data) != old  # the new bytes wait, hidden
            assert (data / "a.jpg").read_bytes() == b"old a.jpg"
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        fail()
    assert state(data) == old
    assert not (data / ".ssdprep").exists()


def test_a_change_of_nothing_leaves_nothing(data):
    with files.transaction(data, "fix-exif"):
        pass
    assert not (data / ".ssdprep").exists()


def test_a_change_that_is_not_undoable_leaves_nothing(data):
    with files.transaction(data, "split", undoable=False) as transaction:
        transaction.replace(data / "a.jpg", b"new")
    assert (data / "a.jpg").read_bytes() == b"new"
    assert not (data / ".ssdprep").exists()


def test_originals_cost_nothing_and_are_explained(data):
    inode = (data / "a.jpg").stat().st_ino
    change(data)
    kept = data / ".ssdprep/backup/0001-fix-exif/a.jpg"
    assert kept.stat().st_ino == inode
    assert (data / ".ssdprep/.gitignore").read_text() == "*\n"
    assert "ssdprep undo" in (data / ".ssdprep/README.txt").read_text()
    lines = [json.loads(line) for line in (data / ".ssdprep/journal/0001-fix-exif.jsonl").read_text().splitlines()]
    entry = next(line for line in lines if line.get("path") == "a.jpg")
    assert entry["old"] == hashlib.sha256(b"old a.jpg").hexdigest()
    assert entry["new"] == hashlib.sha256(b"new").hexdigest()


def test_originals_on_another_disk(data, quick):
    if quick.stat().st_dev == data.stat().st_dev:
        pytest.skip("no second disk here")
    (data / ".ssdprep").symlink_to(quick)
    old = state(data)
    change(data)
    assert (quick / "backup/0001-fix-exif/a.jpg").read_bytes() == b"old a.jpg"
    assert files.undo(data).is_undone
    assert state(data) == old


def test_a_way_back_from_another_disk(data, quick, monkeypatch):
    from ssdprep import journal

    if quick.stat().st_dev == data.stat().st_dev:
        pytest.skip("no second disk here")
    (data / ".ssdprep").symlink_to(quick)
    old, moves = state(data), []

    def fail(name: str) -> None:
        moves.append(name)
        if name == "replace a file" and moves.count(name) == 3:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(journal, "on_step", fail)
    with pytest.raises(SsdprepError, match="Permission denied"):
        change(data)
    assert moves.count("replace a file by a copy") == 2
    assert state(data) == old


def test_links_are_followed_within_the_folder_only(data, tmp_path):
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(b"outside")
    (data / "inside.jpg").symlink_to("sub/b.jpg")
    (data / "outside.jpg").symlink_to(outside)
    with pytest.raises(SsdprepError, match="leads out of"), files.transaction(data, "fix-exif") as transaction:
        transaction.replace(data / "outside.jpg", b"new")
    assert outside.read_bytes() == b"outside"
    assert not (data / ".ssdprep").exists()
    change(data, "inside.jpg")
    assert (data / "inside.jpg").is_symlink()
    assert (data / "sub/b.jpg").read_bytes() == b"new"
    files.undo(data)
    assert (data / "sub/b.jpg").read_bytes() == b"old sub/b.jpg"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda data, change: (change.replace(data / "a.jpg", b"1"), change.replace(data / "sub/../a.jpg", b"2")),
        lambda data, change: change.replace(data / "sub", b""),
        lambda data, change: change.remove(data / "missing"),
    ],
)
def test_wrong_calls(data, wrong):
    old = state(data)
    with pytest.raises(ValueError), files.transaction(data, "fix-exif") as transaction:
        wrong(data, transaction)
    assert state(data) == old
    with pytest.raises(ValueError, match="a verb is"), files.transaction(data, "../x"):
        pass


def test_a_file_that_could_not_be_staged_is_not_forgotten(data):
    def swallow() -> None:
        with files.transaction(data, "fix-exif") as transaction:
            transaction.replace(data / "a.jpg", b"new")
            with pytest.raises(SsdprepError):
                transaction.replace(data / "no folder/a.xml", b"new")

    with pytest.raises(ValueError, match="could not be staged"):
        swallow()
    assert (data / "a.jpg").read_bytes() == b"old a.jpg"


def test_what_another_program_writes_meanwhile_is_kept(data):
    def cross() -> None:
        with files.transaction(data, "fix-exif") as transaction:
            transaction.replace(data / "a.jpg", b"new")
            transaction.replace(data / "a.xml", b"new")
            (data / "a.xml").write_bytes(b"saved in LabelImg meanwhile")

    with pytest.raises(SsdprepError, match="changed by another program"):
        cross()
    assert (data / "a.xml").read_bytes() == b"saved in LabelImg meanwhile"
    assert (data / "a.jpg").read_bytes() == b"old a.jpg"
    assert not (data / ".ssdprep").exists()


def test_what_was_changed_between_reading_and_replacing_is_kept(data):
    def late() -> None:
        with files.transaction(data, "fix-exif") as transaction:
            read, was = disk.read(data / "a.jpg")
            transaction.replace(data / "a.xml", b"new")
            (data / "a.jpg").write_bytes(b"saved by an editor meanwhile")
            transaction.replace(data / "a.jpg", read[::-1], was=was)

    with pytest.raises(SsdprepError, match="changed by another program"):
        late()
    assert (data / "a.jpg").read_bytes() == b"saved by an editor meanwhile"
    assert (data / "a.xml").read_bytes() == b"old a.xml"


@pytest.mark.parametrize("is_staged", [False, True])
def test_what_was_changed_under_an_old_time_is_kept(data, is_staged):
    """As programs do that keep a photo's times; its size is the same by chance."""
    photo_ = data / "a.jpg"

    def late() -> None:
        with files.transaction(data, "fix-exif") as transaction:
            read, was = disk.read(photo_)
            if is_staged:
                transaction.replace(photo_, b"new", was=was)
            with photo_.open("r+b") as file:
                file.write(read.swapcase())
            os.utime(photo_, ns=(0, was.identity.modified))
            if not is_staged:
                transaction.replace(photo_, b"new", was=was)

    with pytest.raises(SsdprepError, match="changed by another program"):
        late()
    assert photo_.read_bytes() == b"OLD A.JPG"


def test_two_names_of_one_file_are_replaced_both(data):
    os.link(data / "a.jpg", data / "c.jpg")
    with files.transaction(data, "fix-exif") as transaction:
        for name in ("a.jpg", "c.jpg"):
            transaction.replace(data / name, b"new")
    assert (data / "c.jpg").read_bytes() == b"new"
    files.undo(data)
    assert (data / "a.jpg").read_bytes() == (data / "c.jpg").read_bytes() == b"old a.jpg"


def test_what_was_only_touched_between_reading_and_replacing_is_replaced(data):
    with files.transaction(data, "fix-exif") as transaction:
        read, was = disk.read(data / "a.jpg")
        os.utime(data / "a.jpg", (0, 0))
        transaction.replace(data / "a.jpg", read[::-1], was=was)
    assert (data / "a.jpg").read_bytes() == read[::-1]
    files.undo(data)
    assert (data / "a.jpg").read_bytes() == read


@pytest.mark.parametrize("trouble", ["a folder in the way", "no room"])
def test_files_written_together_come_back_where_one_fails(tmp_path, monkeypatch, trouble):
    old = {tmp_path / name: name.encode() for name in ("a", "b", "c", "outdated")}
    for path, data in old.items():
        path.write_bytes(data)
    new = {tmp_path / name: b"new" for name in ("a", "b", "c", "d")}
    if trouble == "a folder in the way":
        (tmp_path / "d").mkdir()
    else:
        steps = []

        def fail_late(step):
            steps.append(step)
            if steps.count("put a new file in place") == 3:
                raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))

        monkeypatch.setattr(journal, "on_step", fail_late)
    with pytest.raises((SsdprepError, OSError), match=r"Is a directory|No space left"):
        files.write_together(new, [tmp_path / "outdated"])
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == old


def test_two_runs_at_once(data, cli):
    with files.transaction(data, "fix-exif") as transaction:
        transaction.replace(data / "a.jpg", b"new")
        other = cli("undo", data)
        assert other.code == 2
        assert "another ssdprep is changing" in other.err
        assert len(other.err.splitlines()) == 2
    assert (data / "a.jpg").read_bytes() == b"new"
    assert (data / "a.xml").read_bytes() == b"old a.xml"


def test_a_run_that_another_overtook(data):
    def overtaken() -> None:
        with files.transaction(data, "fix-exif") as transaction:
            change(data, "a.xml")
            transaction.replace(data / "a.jpg", b"late")

    with pytest.raises(SsdprepError, match="another ssdprep changed"):
        overtaken()
    assert (data / "a.jpg").read_bytes() == b"old a.jpg"
    assert (data / "a.xml").read_bytes() == b"new"


@pytest.mark.parametrize(
    "journal",
    [
        b'{"when": ""}\nnonsense\n{"mark": "committed", "files": 1}\n',
        b'{"when": ""}\n{"mark": "committed", "files": 1}\n',
        b'{"when": ""}\n{"number": 0, "path": "../x", "old": null, "new": null}\n{"mark": "committed", "files": 1}\n',
        b'{"when": ""}\n{"number": 0, "path": "/etc/x", "old": null, "new": null}\n',
        b'{"when": "", "undoes": "../../..", "undoable": false}\n{"mark": "done", "files": 0}\n',
        b'{"what": 1}\n{}\n',
    ],
)
def test_a_journal_that_is_not_ours_does_no_harm(data, cli, journal):
    (data / ".ssdprep/journal").mkdir(parents=True)
    (data / ".ssdprep/journal/0001-fix-exif.jsonl").write_bytes(journal)
    old = state(data)
    done = cli("undo", data)
    assert done.code == 2
    assert "is damaged" in done.err
    assert state(data) == old


def test_a_thousand_photos_do_not_wait_for_the_disk_one_by_one(tmp_path):
    photos = [tmp_path / f"{number // 50}/{number}.jpg" for number in range(500)]
    for path in photos:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 50_000)
    started = time.monotonic()
    with files.transaction(tmp_path, "fix-exif") as transaction:
        for path in photos:
            transaction.replace(path, b"y" * 50_000)
    assert time.monotonic() - started < 20
    assert all(path.read_bytes() == b"y" * 50_000 for path in photos)


# --- single files ----------------------------------------------------------------------------------------------------


def test_write_new(tmp_path):
    path = tmp_path / "new/folder/labels.csv"
    files.write_new(path, b"one")
    path.chmod(0o640)
    files.write_new(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o640
    (tmp_path / "link.csv").symlink_to(path)
    files.write_new(tmp_path / "link.csv", b"three")
    assert path.read_bytes() == b"three"
    with pytest.raises(SsdprepError, match="new cannot be written: Is a directory - name another place"):
        files.write_new(tmp_path / "new", b"")
    assert [entry.name for entry in sorted(tmp_path.rglob("*"))] == ["link.csv", "new", "folder", "labels.csv"]
