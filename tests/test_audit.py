"""audit: the counts are right, every fault is named, the command leaves with the right code."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from folders import APPLE, annotation, pair, photo

from ssdprep.audit import ClassStats, audit_folder

KEYS = ["images", "negatives", "unlabelled", "left_out", "without_photo", "boxes", "imbalance", "classes", "splits"]
KEYS += ["statistics", "looks", "page", "findings"]


def codes(audit: Any) -> list[str]:
    return [finding.code for finding in audit.findings if finding.code != "AUD002"]


def test_counted_by_hand(tmp_path: Path) -> None:
    pair(tmp_path, "a", [("milk", 0, 0, 10, 20), ("milk", 20, 0, 40, 20), ("apple", 0, 20, 30, 30)])
    pair(tmp_path, "b", [("milk", 0, 0, 30, 10)])
    pair(tmp_path, "c", [])
    pair(tmp_path, "d")
    (tmp_path / "d.xml").write_text("")
    photo(tmp_path / "e.jpg")
    audit = audit_folder(tmp_path)
    assert (audit.images, audit.negatives, audit.unlabelled, audit.left_out, audit.boxes) == (5, 1, 1, 1, 4)
    assert audit.imbalance == 3.0
    assert audit.classes == {
        "milk": ClassStats(3, 2, 0.75, 20.0, 20.0, 1.0),
        "apple": ClassStats(1, 1, 0.25, 30.0, 10.0, 3.0),
    }
    assert list(audit.classes) == ["milk", "apple"]
    assert codes(audit) == ["VOC001", "PAIR002"]
    assert audit.exit_code == 1


def test_the_document_has_its_keys(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    document = audit_folder(tmp_path).to_dict()
    assert list(document) == KEYS
    assert document["classes"]["apple"] == {
        "boxes": 1,
        "images": 1,
        "share": 1.0,
        "median_width": 20.0,
        "median_height": 30.0,
        "median_aspect": 0.667,
    }


def test_sizes_are_those_of_the_upright_photo(tmp_path: Path) -> None:
    photo(tmp_path / "stored.jpg", orientation=6)
    annotation(tmp_path / "stored.xml", [("apple", 0, 0, 40, 10)], size=(64, 48))
    photo(tmp_path / "upright.jpg", orientation=6)
    annotation(tmp_path / "upright.xml", [("apple", 0, 0, 10, 40)], size=(48, 64))
    photo(tmp_path / "unknown.jpg", orientation=3)
    annotation(tmp_path / "unknown.xml", [("apple", 0, 0, 9, 9), ("pear", 0, 0, 9, 9)])
    audit = audit_folder(tmp_path)
    apple, pear = audit.classes["apple"], audit.classes["pear"]
    assert (apple.boxes, apple.median_width, apple.median_height) == (3, 10.0, 40.0)
    assert (pear.boxes, pear.median_width) == (1, None)
    assert "ORI010" in codes(audit)
    assert audit.exit_code == 1


def test_a_rare_class_is_named(tmp_path: Path) -> None:
    for number in range(10):
        pair(tmp_path, f"milk{number}", [("milk", n, 0, n + 9, 20) for n in range(6)])
        pair(tmp_path, f"apple{number}")
    audit = audit_folder(tmp_path)
    assert audit.imbalance == 6.0
    assert [finding.code for finding in audit.findings] == ["AUD001"]
    assert audit.exit_code == 0


def test_few_boxes_are_named(tmp_path: Path) -> None:
    pair(tmp_path, "a", [("apple", n, 0, n + 9, 20) for n in range(9)])
    assert [finding.code for finding in audit_folder(tmp_path).findings] == ["AUD002"]


def test_a_slip_in_a_class_name_is_not_to_be_labelled_more(cli: Callable[..., Any], tmp_path: Path) -> None:
    root = tmp_path / "my cards"
    for number in range(10):
        name = "kign" if number == 6 else "king"
        pair(root, f"p{number}", [(name, 1, 1, 20, 20), ("queen", 30, 1, 50, 20)])
    lists = root / "ImageSets/Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("".join(f"p{number}\n" for number in range(8)))
    (lists / "test.txt").write_text("p8\np9\n")
    ran = cli("audit", root, "--no-pixels", "--json")
    said = [(f["code"], Path(f["path"]).name, f["line"]) for f in ran.json["findings"]]
    assert said == [("AUD009", "p6.xml", 10), ("AUD002", "my cards", 0)]  # of king, which has nine
    slip = ran.json["findings"][0]
    assert slip["severity"] == "warning"
    assert slip["message"] == "class 'kign' (1 box) is nearly 'king' (9 boxes): a slip of the fingers?"
    assert slip["remedy"] == f"ssdprep repair '{root}' --rename kign=king, if that is meant"
    assert not [f for f in ran.json["findings"] if "kign" in f["message"] and f["code"] != "AUD009"]


@pytest.mark.parametrize(
    ("rare", "often", "is_slip"),
    [
        ("Kign", "king", True),
        ("quen", "queen", True),
        ("queeen", "queen", True),
        ("qveen", "queen", True),
        ("milk cartn", "milk carton", True),
        ("kong", "kind", False),  # two letters
        ("ten", "tent", False),  # too short to tell
        ("King", "king", False),  # VOC021
        ("card_1", "card_2", False),
        ("grade A", "grade B", False),
    ],
)
def test_what_is_a_slip(tmp_path: Path, rare: str, often: str, is_slip: bool) -> None:
    for number in range(3):
        annotation(tmp_path / f"{number}.xml", [(often, n, 0, n + 9, 20) for n in range(9)])
    for number in range(3):
        annotation(tmp_path / f"x{number}.xml", [(rare, 0, 0, 9, 20)])
        found = codes(audit_folder(tmp_path))
        assert ("AUD009" in found) is is_slip
        assert ("AUD001" in found) is not is_slip
    annotation(tmp_path / "x3.xml", [(rare, 0, 0, 9, 20)])
    assert "AUD009" not in codes(audit_folder(tmp_path))  # four are no slip


def test_a_class_that_is_tested_but_never_trained(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    pair(tmp_path, "b", [("pear", 0, 0, 9, 9)])
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    (lists / "test.txt").write_text("b\n")
    audit = audit_folder(tmp_path)
    assert audit.splits == {"test": 1, "train": 1}
    assert codes(audit) == ["AUD003", "AUD006"]


def test_real_sets(real_data: Path) -> None:
    bccd = audit_folder(real_data / "bccd", pixels=False)
    assert (bccd.images, bccd.boxes, bccd.negatives) == (364, 4886, 0)
    assert {name: stats.boxes for name, stats in bccd.classes.items()} == {"RBC": 4153, "WBC": 372, "Platelets": 361}
    assert sorted(codes(bccd)) == ["AUD001", "VOC004", "VOC004", *["VOC025"] * 7]
    raccoon = audit_folder(real_data / "raccoon", pixels=False)
    assert (raccoon.images, raccoon.imbalance, codes(raccoon)) == (200, 1.0, ["IMG014"] * 3)


def test_many_annotations_take_seconds(tmp_path: Path) -> None:
    """4,000 of them; 20,000 take five times as long."""
    source = annotation(tmp_path / "0.xml", [APPLE, ("pear", 1, 1, 9, 9)]).read_bytes()
    for number in range(1, 4000):
        (tmp_path / f"{number}.xml").write_bytes(source)
    start = time.process_time()
    audit = audit_folder(tmp_path)
    assert audit.boxes == 8000
    assert time.process_time() - start < 4.0


# ---- the command ----------------------------------------------------------------------------------------------------


def test_command_on_a_clean_folder(cli: Callable[..., Any], tmp_path: Path) -> None:
    for number in range(10):
        pair(tmp_path, str(number))
    ran = cli("audit", tmp_path, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert list(ran.json) == KEYS
    assert ran.json["findings"] == []
    ran = cli("audit", tmp_path, env={"COLUMNS": "80"})
    assert ran.code == 0
    assert "10 photos, 10 boxes, 1 class\n" in ran.out
    assert "██████" in ran.out
    assert "nothing wrong" in ran.out
    assert f"ssdprep split {tmp_path}" in ran.out


@pytest.mark.parametrize(
    ("name", "damage", "code", "where"),
    [
        ("truncated XML", lambda root: (root / "a.xml").write_text("<annotation>\n<object>"), "VOC001", "a.xml:2"),
        ("empty XML", lambda root: (root / "a.xml").write_text(""), "VOC001", "a.xml"),
        ("truncated JPEG", lambda root: os.truncate(root / "a.jpg", 600), "IMG003", "a.jpg"),
        ("XML without photo", lambda root: (root / "a.jpg").unlink(), "PAIR001", "a.xml"),
        ("dangling link", lambda root: (root / "x.xml").symlink_to(root / "nowhere"), "PAIR005", "x.xml"),
        ("folder named like a photo", lambda root: (root / "x.jpg").mkdir(), "PAIR006", "x.jpg"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_command_says_one_clear_line_and_goes_on(
    cli: Callable[..., Any], tmp_path: Path, name: str, damage: Callable[[Path], object], code: str, where: str
) -> None:
    for stem in ("a", "b"):
        pair(tmp_path, stem)
    damage(tmp_path)
    ran = cli("audit", tmp_path)
    assert ran.code == 1, name
    assert ran.err == ""
    lines = [line for line in ran.out.splitlines() if f" {code} " in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"{tmp_path / where}: error {code} ")
    assert " - " in lines[0]
    document = cli("audit", tmp_path, "--json")
    assert document.code == 1
    assert document.json["classes"]["apple"]["boxes"] >= 1


@pytest.mark.parametrize(
    ("fail_on", "damaged", "code"),
    [("error", True, 1), ("error", False, 0), ("warning", False, 1), ("never", True, 0)],
)
def test_what_fails_is_chosen(cli: Callable[..., Any], tmp_path: Path, fail_on: str, damaged: bool, code: int) -> None:
    pair(tmp_path, "a")  # of one box: a warning
    if damaged:
        (tmp_path / "b.xml").write_text("")
    ran = cli("audit", tmp_path, "--fail-on", fail_on, "--json")
    assert ran.code == code
    assert {finding["severity"] for finding in ran.json["findings"]} >= {"warning"}
    assert cli("audit", tmp_path / "missing", "--fail-on", "never").code == 2


def test_pixels_are_looked_at_unless_told_otherwise(cli: Callable[..., Any], tmp_path: Path) -> None:
    pair(tmp_path, "a")
    for name in ("a.jpg", "a.xml"):
        (tmp_path / name.replace("a", "b", 1)).write_bytes((tmp_path / name).read_bytes())
    ran = cli("audit", tmp_path, "--json", "--jobs", "1")
    assert "DUP001" in {finding["code"] for finding in ran.json["findings"]}
    assert ran.json["looks"]["photos"] == 2
    ran = cli("audit", tmp_path, "--json", "--no-pixels")
    assert "DUP001" not in {finding["code"] for finding in ran.json["findings"]}
    assert ran.json["looks"] is None


def test_copies_across_the_split_ask_for_a_new_one(cli: Callable[..., Any], tmp_path: Path) -> None:
    pair(tmp_path, "a")
    for name in ("a.jpg", "a.xml"):
        (tmp_path / name.replace("a", "b", 1)).write_bytes((tmp_path / name).read_bytes())
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    (lists / "test.txt").write_text("b\n")
    ran = cli("audit", tmp_path)
    assert ran.code == 1
    assert "error DUP003" in ran.out
    assert f"next:    ssdprep split {tmp_path} --force" in ran.out


@pytest.mark.parametrize("size", ["300", "300x", "0x300", "300x-1", "x", "³x³", "300x300x3"])
def test_an_input_that_is_no_size(cli: Callable[..., Any], tmp_path: Path, size: str) -> None:
    pair(tmp_path, "a")
    ran = cli("audit", tmp_path, "--input", size)
    assert ran.code == 2
    assert "--input" in ran.err


@pytest.mark.parametrize("name", ["missing", "empty", "file"])
def test_command_that_cannot_run(cli: Callable[..., Any], tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    ran = cli("audit", tmp_path / name, "--json")
    assert ran.code == 2
    assert ran.err.count("\n") == 2
    error = ran.json["error"]
    assert ran.err == f"error: {error['message']}\n  try: {error['remedy']}\n"
    assert "Traceback" not in ran.err


def test_a_set_without_a_box_is_not_fine(cli: Callable[..., Any], tmp_path: Path) -> None:
    pair(tmp_path, "a", [])
    ran = cli("audit", tmp_path)
    assert ran.code == 1
    assert "error AUD004 1 annotation and not one box" in ran.out
    assert "found    1 error\n" in ran.out


@pytest.mark.parametrize("jobs", [1, 2])
def test_damage_that_no_header_shows_is_found_where_photos_are_looked_at(
    cli: Callable[..., Any], tmp_path: Path, jobs: int
) -> None:
    for name in "abc":
        pair(tmp_path, name)
    data = (tmp_path / "b.jpg").read_bytes()
    middle = len(data) * 3 // 4
    (tmp_path / "b.jpg").write_bytes(data[:middle] + b"\xff\xd9")
    (tmp_path / "c.jpg").write_bytes(data[: middle + 60] + data[middle:])
    done = cli("audit", tmp_path, "--json", "--jobs", jobs)
    found = [(f["path"].rpartition("/")[2], f["severity"], f["code"]) for f in done.json["findings"]]
    assert {("b.jpg", "error", "IMG004"), ("c.jpg", "warning", "IMG017")} <= set(found)
    assert done.code == 1
    assert cli("audit", tmp_path, "--no-pixels").code == 0
    for verb in (("tfrecord",), ("augment", "--flip-h")):
        done = cli(
            verb[0], tmp_path, *verb[1:], "--out", tmp_path.with_name(f"{verb[0]}-{jobs}"), "--json", "--jobs", jobs
        )
        said = {f["code"]: f["path"].rpartition("/")[2] for f in done.json["findings"] if f["code"].startswith("IMG0")}
        assert said == {"IMG004": "b.jpg", "IMG017": "c.jpg"}
        assert done.json["unusable"] == 1


def test_a_class_called_background_is_an_error_with_a_cure(cli: Callable[..., Any], tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    annotation(tmp_path / "a.xml", [("Background", 10, 10, 30, 40)])
    done = cli("audit", tmp_path, "--json")
    (cure,) = [f["remedy"] for f in done.json["findings"] if f["code"] == "AUD007"]
    assert cure == f"ssdprep repair {tmp_path} --rename Background=NAME, or delete its boxes"
    assert cli("repair", tmp_path, "--rename", "Background=wall").code == 0
    assert cli("audit", tmp_path).code == 0


def test_three_faults_in_one_line_are_three_findings(cli: Callable[..., Any], tmp_path: Path) -> None:
    """Some tools write all of an annotation into one line."""
    photo(tmp_path / "a.jpg")
    path = annotation(
        tmp_path / "a.xml", [("apple", 30, 10, 10, 40), ("pear", 31, 10, 10, 40), ("plum", 32, 10, 10, 40)]
    )
    path.write_text("".join(line.strip() for line in path.read_text().splitlines()))
    done = cli("audit", tmp_path, "--json")
    assert [f["code"] for f in done.json["findings"] if f["code"] == "VOC003"] == ["VOC003"] * 3
