"""repair: what is asked for is cured and audit is silent about it, every other byte stays, undo brings all back."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from folders import APPLE, annotation, pair, photo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssdprep import audit_folder, fix_exif, repair_folder, scan_folder, undo
from ssdprep.formats import voc
from ssdprep.formats.voc_edit import items
from ssdprep.orient import judge
from ssdprep.record import SsdprepError
from ssdprep.repair_plan import CURES

Cli = Callable[..., Any]


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def codes(root: Path) -> set[str]:
    return {finding.code for finding in audit_folder(root).findings}


def decided(root: Path) -> dict[Path, tuple[object, ...] | None]:
    dataset = scan_folder(root)
    return {
        record.path: decision and (decision.verdict, decision.drawn_in, decision.turn)
        for record, decision in zip(dataset.records, judge(dataset), strict=True)
    }


FAULTS: dict[str, Callable[[Path], object]] = {
    "ORI003": lambda root: annotation(root / "b.xml", [APPLE], size=(65, 47)),
    "VOC003": lambda root: annotation(root / "b.xml", [("apple", 30, 40, 10, 10)]),
    "VOC004": lambda root: annotation(root / "b.xml", [APPLE, ("apple", 5, 5, 5, 9)]),
    "VOC011": lambda root: annotation(root / "b.xml", [("apple ", 10, 10, 30, 40)]),
    "VOC012": lambda root: annotation(root / "b.xml", [APPLE], size=None),
    "VOC017": lambda root: annotation(root / "b.xml", [("apple", 10, 10, 66, 50)]),
    "VOC018": lambda root: annotation(root / "b.xml", [APPLE, APPLE]),
    "VOC021": lambda root: annotation(root / "b.xml", [("Apple", 10, 10, 30, 40)]),
    "VOC022": lambda root: annotation(root / "b.xml", [APPLE], filename="C:\\other.jpg"),
}


def test_there_is_a_case_for_every_cure():
    assert set(FAULTS) == set(CURES)


@pytest.mark.parametrize("code", FAULTS)
def test_command_cures_one_code_and_undo_brings_it_back(cli: Cli, tmp_path: Path, code: str) -> None:
    for stem in "abc":
        pair(tmp_path, stem)
    FAULTS[code](tmp_path)
    assert code in codes(tmp_path)
    before = contents(tmp_path)

    ran = cli("repair", tmp_path, "--only", code.lower())
    assert (ran.code, ran.err) == (0, "")
    assert "1 annotation changed" in ran.out
    assert f"ssdprep undo {tmp_path}" in ran.out
    changed = {name for name, data in contents(tmp_path).items() if before.get(name, data) != data}
    assert changed == {"b.xml"}
    assert code not in codes(tmp_path)

    after = contents(tmp_path)
    again = repair_folder(tmp_path, only=[code])
    assert (again.files, again.findings) == ((), ())
    assert contents(tmp_path) == after

    assert undo(tmp_path).is_undone
    assert contents(tmp_path) == before


def test_what_can_be_cured_is_listed_and_nothing_changed(cli: Cli, tmp_path: Path) -> None:
    for stem in "abc":
        pair(tmp_path, stem)
    annotation(tmp_path / "b.xml", [("apple", 30, 40, 10, 10), ("apple", 31, 40, 10, 10)], size=None)
    before = contents(tmp_path)
    ran = cli("repair", tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert "2 in 1 file\n" in ran.out
    assert f"ssdprep repair {tmp_path} --only VOC003\n" in ran.out
    listed = cli("repair", tmp_path, "--json").json
    assert {code: (count["places"], count["files"]) for code, count in listed["counts"].items()} == {
        "VOC003": (2, 1),
        "VOC012": (1, 1),
    }
    assert listed["counts"]["VOC012"]["command"] == f"ssdprep repair {tmp_path} --only VOC012"
    assert contents(tmp_path) == before


def test_a_clean_folder(cli: Cli, tmp_path: Path) -> None:
    pair(tmp_path, "a")
    ran = cli("repair", tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert "nothing to do" in cli("repair", tmp_path, "--only", "all").out
    assert not (tmp_path / ".ssdprep").exists()


def test_all_faults_of_a_file_in_one_write(cli: Cli, tmp_path: Path) -> None:
    pair(tmp_path, "a", [("milk", 1, 1, 9, 9), ("milk", 1, 1, 9, 19)])
    things = [("milk", 30, 40, 10, 10), ("Milk ", 10, 10, 30, 40), ("milk", 5, 5, 5, 9), ("milk", 50, 40, 66, 48)]
    annotation(tmp_path / "b.xml", things, size=None, filename="x.jpg")
    photo(tmp_path / "b.jpg")
    ran = cli("repair", tmp_path, "--only", "VOC003,VOC004", "--only", "all", "--json")
    assert (ran.code, ran.json["findings"]) == (0, [])
    expected = annotation(tmp_path / "expected.xml", [("milk", 10, 10, 30, 40), ("milk", 50, 40, 64, 48)])
    assert (tmp_path / "b.xml").read_text() == expected.read_text().replace("expected.jpg", "b.jpg")
    assert ran.json["files"][0]["counts"] == {
        "VOC003": 1, "VOC004": 1, "VOC011": 1, "VOC012": 1, "VOC017": 1, "VOC018": 1, "VOC021": 1, "VOC022": 1
    }  # fmt: skip


def test_a_dry_run_shows_what_would_change_as_a_patch(cli: Cli, tmp_path: Path) -> None:
    root = tmp_path / "data"
    for stem in "abc":
        pair(root, stem)
    annotation(root / "b.xml", [("Apple", 30, 40, 10, 10), ("pear", 5, 5, 5, 9)])
    before = contents(root)
    ran = cli("repair", root, "--only", "all", "--dry-run")
    assert (ran.code, ran.err) == (0, "")
    assert "\x1b" not in ran.out
    assert f"next:    ssdprep repair {root} --only ORI003,VOC003," in ran.out
    assert "-\t\t<name>Apple</name>\n+\t\t<name>apple</name>\n" in ran.out
    assert contents(root) == before
    diff = cli("repair", root, "--only", "all", "--dry-run", "--json").json["files"][0]["diff"]
    assert ran.out.startswith(diff)
    repair_folder(root, only=["all"])
    repaired = contents(root)["b.xml"]
    undo(root)
    if shutil.which("patch"):
        subprocess.run(["patch", "-p1", "-s"], input=diff, text=True, cwd=root, check=True)
        assert contents(root)["b.xml"] == repaired


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "VOC03"], "did you mean VOC003?"),
        (["--only", "voc3,VOC004"], "did you mean VOC003?"),
        (["--only", "VOX003"], "did you mean VOC003?"),
        (["--only", "VOC016"], "VOC016 is no code that can be cured here\n  try: There is one for"),
        (["--only", "VOC016"], "VOC003, VOC004"),
        (["--only", "nonsense"], "VOC003, VOC004"),
        (["--rename", "apple"], "is not OLD=NEW"),
        (["--rename", "=pear"], "is not OLD=NEW"),
        (["--rename", "a=b", "--rename", "a=c"], "another new name"),
        (["--rename", "ace=king,queen=jack"], "--rename ace=king --rename queen=jack\n"),
        (["--rename", "ace=king=jack"], "a new name cannot hold a ="),
        (["--rename", "ace=background"], "'background' is no name for a class"),
        (["--rename", "ace=None_of_the_above"], "is no name for a class"),
        (["--rename", "ace=???"], "is no name for a class"),
    ],
)
def test_a_wrong_call_names_its_cure(cli: Cli, tmp_path: Path, words: list[str], said: str) -> None:
    pair(tmp_path, "a")
    ran = cli("repair", tmp_path, *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_class_is_renamed_everywhere(cli: Cli, tmp_path: Path) -> None:
    pair(tmp_path, "a", [("mlik", 1, 1, 9, 9), ("pear", 1, 1, 9, 19)])
    annotation(tmp_path / "lone.xml", [("mlik", 30, 1, 9, 9)])
    tried = cli("repair", tmp_path, "--rename", "mlik=milk & honey", "--dry-run")
    assert f"next:    ssdprep repair {tmp_path} --rename 'mlik=milk & honey'\n" in tried.out
    ran = cli("repair", tmp_path, "--rename", "mlik=milk & honey", "--rename", "pear=plum", "--json")
    assert (ran.code, ran.json["counts"]["rename"]) == (0, {"places": 3, "files": 2})
    assert set(audit_folder(tmp_path).classes) == {"milk & honey", "plum"}
    assert [item.name for item in items((tmp_path / "lone.xml").read_bytes())] == ["milk & honey"]
    again = cli("repair", tmp_path, "--rename", "mlik=milk & honey", "--json")
    assert (again.code, again.json["files"], again.json["findings"]) == (0, [], [])
    (finding,) = cli("repair", tmp_path, "--rename", "plm=x", "--json").json["findings"]
    assert (finding["code"], finding["severity"], finding["remedy"]) == ("RPR004", "warning", "did you mean 'plum'?")


def named(root: Path) -> list[str]:
    """The classes of all boxes, photo by photo."""
    return [thing.name for record in scan_folder(root).records for thing in record.objects]


def test_classes_are_exchanged_and_go_round_in_a_ring(cli: Cli, tmp_path: Path) -> None:
    pair(tmp_path, "a", [("ace", 1, 1, 9, 9), ("jack", 1, 1, 9, 19), ("ace", 1, 1, 9, 29)])
    pair(tmp_path, "b", [("jack", 1, 1, 9, 9), ("king", 1, 1, 9, 19), ("ten", 1, 1, 9, 29)])
    before = contents(tmp_path)
    ran = cli("repair", tmp_path, "--rename", "ace=jack", "--rename", "jack=ace", "--rename", "ten=10")
    assert (ran.code, ran.err) == (0, "")
    assert named(tmp_path) == ["jack", "ace", "jack", "ace", "king", "10"]
    assert "          ace -> jack: 2 boxes\n          jack -> ace: 2 boxes\n          ten -> 10: 1 box\n" in ran.out
    undo(tmp_path)
    assert contents(tmp_path) == before
    ring = [word for names in ("ace=jack", "jack=king", "king=ace") for word in ("--rename", names)]
    told = cli("repair", tmp_path, *ring, "--json")
    assert named(tmp_path) == ["jack", "king", "jack", "king", "ace", "ten"]
    assert told.json["renamed"][0] == {"old": "ace", "new": "jack", "boxes": 2}
    undo(tmp_path)
    tried = cli("repair", tmp_path, *ring, "--dry-run")
    assert "jack -> king: 2 boxes" in tried.out
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("ace=jack", "jack=king"), ["jack", "king", "queen"]),
        (("jack=king", "king=queen", "ace=jack"), ["jack", "king", "queen"]),
        (("ace=jack", "jack=king", "king=jack"), ["jack", "king", "queen"]),  # into a ring
    ],
)
def test_a_chain_is_refused_with_commands_that_do_it(
    cli: Cli, tmp_path: Path, asked: tuple[str, ...], expected: list[str]
) -> None:
    root = tmp_path / "my data"
    pair(root, "a", [("ace", 1, 1, 9, 9), ("jack", 1, 1, 9, 19), ("queen", 1, 1, 9, 29)])
    before = contents(root)
    ran = cli("repair", root, *[word for names in asked for word in ("--rename", names)])
    assert (ran.code, ran.out) == (2, "")
    assert contents(root) == before
    commands = ran.err.partition("mixes up none: ")[2].strip().split(", then ")
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "ssdprep"
        assert cli(*words).code == 0
    assert named(root) == expected


def test_a_slip_in_a_class_name_is_listed_as_one_that_may_be(cli: Cli, tmp_path: Path) -> None:
    for number in range(9):
        pair(tmp_path, f"k{number}", [("king", 1, 1, 9, 9)])
    pair(tmp_path, "z", [("kign", 1, 1, 9, 9)])
    before = contents(tmp_path)
    ran = cli("repair", tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert "'kign' (1 box) is nearly 'king'; if that is meant:\n" in ran.out
    assert f"ssdprep repair {tmp_path} --rename kign=king\n" in ran.out
    (slip,) = cli("repair", tmp_path, "--json").json["slips"]
    command = f"ssdprep repair {tmp_path} --rename kign=king"
    assert slip == {"old": "kign", "new": "king", "boxes": 1, "command": command}
    assert contents(tmp_path) == before
    assert cli("repair", tmp_path, "--only", "all").code == 0
    assert contents(tmp_path) == before
    assert cli(*shlex.split(command)[1:]).code == 0
    assert set(named(tmp_path)) == {"king"}


def test_a_new_name_is_the_usual_spelling(tmp_path: Path) -> None:
    pair(tmp_path, "a", [("milk", 1, 1, 9, 9), ("milk", 1, 1, 9, 19), ("MILK", 1, 1, 9, 29)])
    repair_folder(tmp_path, only=["VOC021"], renames={"MILK": "Milk"})
    assert set(audit_folder(tmp_path).classes) == {"Milk"}


# ---- what is not safe -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orientation", "size", "boxes"),
    [
        (6, None, [("apple", 1, 1, 20, 20)]),  # either frame
        (6, None, [("apple", 1, 1, 60, 20), ("apple", 20, 60, 1, 1)]),  # an inverted box speaks for the other frame
        (1, None, [("apple", 1, 1, 20, 60)]),  # another image
        (1, None, [("apple", 20, 60, 1, 1)]),
        (6, None, []),
        (1, None, [("apple", "x", 1, 20, 20)]),
    ],
)
def test_a_size_stays_where_the_frame_is_in_doubt(
    tmp_path: Path, orientation: int, size: tuple[int, int] | None, boxes: list[Any]
) -> None:
    photo(tmp_path / "a.jpg", orientation=orientation)
    annotation(tmp_path / "a.xml", boxes, size=size)
    before = contents(tmp_path)
    report = repair_folder(tmp_path, only=["VOC012", "ORI003"])
    assert [finding.code for finding in report.findings] == ["RPR002"]
    assert contents(tmp_path) == before


@pytest.mark.parametrize("size", [(48, 64), (640, 480)])
def test_a_size_that_speaks_is_never_changed(tmp_path: Path, size: tuple[int, int]) -> None:
    photo(tmp_path / "a.jpg")
    annotation(tmp_path / "a.xml", [APPLE], size=size)
    before = contents(tmp_path)
    assert repair_folder(tmp_path, only=["all"]).files == ()
    assert contents(tmp_path) == before


def test_an_empty_box_off_the_photo_speaks_until_it_is_deleted(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    annotation(tmp_path / "a.xml", [APPLE, ("apple", 0, 0, 0, -3)], size=None)
    assert [finding.code for finding in repair_folder(tmp_path, only=["VOC012"]).findings] == ["RPR002"]
    report = repair_folder(tmp_path, only=["VOC012", "VOC004"])
    assert [dict(fixed.counts) for fixed in report.files] == [{"VOC004": 1, "VOC012": 1}]
    assert repair_folder(tmp_path, only=["all"]).files == ()


def test_corners_that_would_decide_the_frame_stay(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", orientation=6)
    annotation(tmp_path / "a.xml", [APPLE, ("apple", 60, 20, 1, 1)], size=None)
    before = contents(tmp_path)
    report = repair_folder(tmp_path, only=["VOC003"])
    assert [finding.code for finding in report.findings] == ["RPR002"]
    assert contents(tmp_path) == before


def test_the_last_box_and_one_that_is_mostly_off_the_photo_stay(tmp_path: Path) -> None:
    pair(tmp_path, "a", [("apple", 5, 5, 5, 9)])
    pair(tmp_path, "b", [("apple", 60, 5, 90, 9)])
    before = contents(tmp_path)
    report = repair_folder(tmp_path, only=["all"])
    assert [(finding.code, finding.path.name, finding.line) for finding in report.findings] == [
        ("RPR003", "a.xml", 10),
        ("RPR003", "b.xml", 10),
    ]
    assert report.exit_code == 0
    assert contents(tmp_path) == before


def test_what_cannot_be_changed_exactly_stays_and_the_rest_goes_on(cli: Cli, tmp_path: Path) -> None:
    pair(tmp_path, "a", [("ap<!-- c -->ple ", 1, 1, 9, 9)])
    pair(tmp_path, "b", [("apple ", 1, 1, 9, 9)])
    (tmp_path / ".hidden").mkdir()
    annotation(tmp_path / ".hidden" / "shared", [("pear ", 1, 1, 9, 9)])
    for stem in "cd":
        photo(tmp_path / f"{stem}.jpg")
        (tmp_path / f"{stem}.xml").symlink_to(tmp_path / ".hidden" / "shared")
    before = contents(tmp_path)
    ran = cli("repair", tmp_path, "--only", "VOC011", "--json")
    assert ran.code == 1
    assert [(f["code"], Path(f["path"]).name) for f in ran.json["findings"]] == [
        ("RPR001", "a.xml"), ("RPR001", "c.xml"), ("RPR001", "d.xml")
    ]  # fmt: skip
    assert {name for name, data in contents(tmp_path).items() if before.get(name, data) != data} == {"b.xml"}


def test_what_fix_exif_settled_stays_settled(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", orientation=3)
    annotation(tmp_path / "a.xml", [APPLE, ("Apple ", 40, 10, 60, 40)])
    fix_exif(tmp_path, frame="stored", images="keep")
    before, known = contents(tmp_path), decided(tmp_path)
    report = repair_folder(tmp_path, only=["all"])
    assert len(report.files) == 1
    assert decided(tmp_path) == known
    assert fix_exif(tmp_path, images="keep", dry_run=True).changed_annotations == 0
    undo(tmp_path)
    assert {name: contents(tmp_path)[name] for name in before} == before


def test_a_note_of_another_folder_is_not_made_stale(tmp_path: Path) -> None:
    photo(tmp_path / "below/a.jpg", orientation=3)
    annotation(tmp_path / "below/a.xml", [("apple ", 10, 10, 30, 40)])
    fix_exif(tmp_path, frame="stored", images="keep")
    before = contents(tmp_path)
    assert [finding.code for finding in repair_folder(tmp_path / "below", only=["all"]).findings] == ["RPR001"]
    assert contents(tmp_path) == before


def test_a_folder_that_cannot_be_used(cli: Cli, tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "missing"):
        assert cli("repair", root, "--only", "all").code == 2
    with pytest.raises(SsdprepError, match="no XML"):
        repair_folder(tmp_path)


def test_real_sets(real_data: Path, tmp_path: Path) -> None:
    shutil.copytree(real_data / "bccd", tmp_path / "bccd")
    before = contents(tmp_path)
    report = repair_folder(tmp_path / "bccd", only=["all"])
    assert report.findings == ()
    assert {code for code, count in report.counts.items() if count.places} == {"VOC004"}
    assert "VOC004" not in codes(tmp_path / "bccd")
    undo(tmp_path / "bccd")
    assert contents(tmp_path) == before


# ---- any faults -----------------------------------------------------------------------------------------------------

EDGE = st.integers(-20, 90) | st.sampled_from([0, 5, 48, 64])
NAMES = st.sampled_from(["apple", " apple", "Apple", "milk", "a &amp; b", "苹果 ", ""])
THINGS = st.lists(st.tuples(NAMES, EDGE, EDGE, EDGE, EDGE) | st.just((*APPLE,)), max_size=5)
SIZES = st.sampled_from([None, (64, 48), (48, 64), (63, 49), (47, 64), (100, 80)])
FILES = st.lists(
    st.tuples(THINGS, SIZES, st.sampled_from([None, 1, 3, 6, 8]), st.sampled_from(["x.jpg", None])),
    min_size=1,
    max_size=3,
)
ENDS = st.sampled_from([("\n", "utf-8"), ("\r\n", "utf-8-sig"), ("\r", "utf-8"), ("\n", "utf-16"), ("", "gb18030")])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(FILES, ENDS, st.sets(st.sampled_from(sorted(CURES)), min_size=1), st.booleans())
def test_any_faults(files: list[Any], ends: tuple[str, str], only: set[str], rename: bool) -> None:
    renames = {"milk": "Milch"} if rename else {}
    with TemporaryDirectory() as name:
        root = Path(name)
        for number, (things, size, orientation, filename) in enumerate(files):
            path = annotation(root / f"{number}.xml", things, size=size, filename=filename)
            head = '<?xml version="1.0" encoding="gb18030"?>' if ends[1] == "gb18030" else ""
            text = head + path.read_text(encoding="utf-8").replace("\n", ends[0])
            path.write_bytes(text.encode(ends[1]))
            if orientation is not None:
                photo(root / f"{number}.jpg", orientation=orientation)
        before, known = contents(root), decided(root)
        dry = repair_folder(root, only=only, renames=renames, dry_run=True)
        assert contents(root) == before

        report = repair_folder(root, only=only, renames=renames)
        assert [(f.annotation, f.counts) for f in report.files] == [(f.annotation, f.counts) for f in dry.files]
        assert report.findings == dry.findings
        after = contents(root)
        changed = {path.name for path, *_ in report.files}
        assert {name for name in before if after[name] != before[name]} == changed

        now = decided(root)
        assert {path: now[path] for path in known} == known  # which way is up is what it was

        refused = {finding.path for finding in report.findings}
        left = [f for f in scan_folder(root).findings if f.code in only and f.path not in refused]
        assert left == []

        again = repair_folder(root, only=only, renames=renames)
        assert again.files == ()
        assert contents(root) == after

        if report.files:
            undo(root)
        assert contents(root) == before


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_new_name_reads_back(name: str) -> None:
    if not name.strip():
        return
    with TemporaryDirectory() as folder:
        path = annotation(Path(folder) / "a.xml", [APPLE])
        report = repair_folder(folder, renames={"apple": name})
        read, _ = voc.parse(path.read_bytes())
        assert read is not None
        assert [thing.name for thing in read.objects] == [name.strip() if report.files else "apple"]
        assert bool(report.files) is not any(finding.code == "RPR001" for finding in report.findings)
        json.dumps(report.to_dict())
