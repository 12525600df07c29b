"""xml2csv: the table that the copied script writes, and document 004's."""

from __future__ import annotations

import csv
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from folders import APPLE, annotation, pair, photo

from ssdprep.formats.csv import COLUMNS, Row, read_csv, xml_to_csv
from ssdprep.record import SsdprepError

LOST = {"pose", "truncated", "difficult", "depth"}  # the table has no column for them


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def codes(report: Any) -> set[str]:
    return {finding.code for finding in report.findings}


@pytest.mark.parametrize("part", ["train", "test"])
def test_equals_what_the_authors_of_the_cards_wrote(real_data: Path, tmp_path: Path, part: str) -> None:
    """Their script ran on Windows: the same rows in the same order, with its line ends."""
    report = xml_to_csv(real_data / "cards" / part, tmp_path / "labels.csv")
    reference = (real_data / "cards" / f"{part}_labels.reference.csv").read_bytes()
    assert (tmp_path / "labels.csv").read_bytes() == reference.replace(b"\r\n", b"\n")
    assert report.findings == ()
    assert report.exit_code == 0


def test_numbers_stand_as_in_the_annotation(tmp_path: Path) -> None:
    photo(tmp_path / "b.jpg")
    annotation(tmp_path / "b.xml", [("milk, carton", 10.9, 0, 64, 47.99), ("NA", 1, 2, 3, 4)], size=(65, 48))
    pair(tmp_path, "A")
    report = xml_to_csv(tmp_path)
    assert report.path == tmp_path / "labels.csv"
    assert (report.images, report.boxes, report.negatives, report.unlabelled) == (2, 3, 0, 0)
    assert rows(report.path) == [
        list(COLUMNS),
        ["A.jpg", "64", "48", "apple", "10", "10", "30", "40"],
        ["b.jpg", "65", "48", "milk, carton", "10", "0", "64", "47"],
        ["b.jpg", "65", "48", "NA", "1", "2", "3", "4"],
    ]
    assert "CSV005" in codes(report)
    assert b"\r" not in report.path.read_bytes()


def test_a_missing_size_is_the_photos_own(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", kind="PNG")
    annotation(tmp_path / "a.xml", [APPLE], size=None)
    photo(tmp_path / "turned.jpg", orientation=6)
    annotation(tmp_path / "turned.xml", [("apple", 0, 0, 48, 64)], size=None)
    report = xml_to_csv(tmp_path)
    assert [row[1:3] for row in rows(report.path)[1:]] == [["64", "48"], ["48", "64"]]
    assert "CSV001" in codes(report)
    for name in ("a.jpg", "turned.jpg"):
        (tmp_path / name).unlink()
    report = xml_to_csv(tmp_path)
    assert [row[1:3] for row in rows(report.path)[1:]] == [["0", "0"], ["0", "0"]]
    assert "CSV002" in codes(report)
    assert report.exit_code == 1


@pytest.mark.parametrize(
    ("filename", "written", "expected"),
    [
        ("a.jpg", "a.jpg", set()),
        ("C:\\photos\\a.jpg", "a.jpg", {"CSV003", "VOC013"}),
        ("../a.jpg", "a.jpg", {"CSV003", "VOC013"}),
        ("a", "a.jpg", {"CSV003", "VOC022"}),
        ("a.png", "a.jpg", {"CSV003", "VOC022"}),
        ("", "a.jpg", {"CSV003"}),
    ],
)
def test_the_filename_leads_to_the_photo(tmp_path: Path, filename: str, written: str, expected: set[str]) -> None:
    photo(tmp_path / "a.jpg")
    annotation(tmp_path / "a.xml", [APPLE], filename=filename)
    report = xml_to_csv(tmp_path)
    assert rows(report.path)[1][0] == written
    assert codes(report) == expected


def test_photos_without_boxes_are_counted_and_kept_on_demand(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    pair(tmp_path, "b", [])
    photo(tmp_path / "c.jpg")
    report = xml_to_csv(tmp_path)
    assert (report.images, report.negatives, report.unlabelled) == (1, 1, 1)
    assert "CSV006" in codes(report)
    assert len(rows(report.path)) == 2
    report = xml_to_csv(tmp_path, negatives=True)
    assert rows(report.path)[2] == ["b.jpg", "64", "48", "", "", "", "", ""]
    assert "CSV006" not in codes(report)


def test_boxes_of_an_unknown_frame_are_written_and_named(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    photo(tmp_path / "b.jpg", orientation=3)
    annotation(tmp_path / "b.xml", [("apple", 1, 2, 3, 4)])
    report = xml_to_csv(tmp_path)
    assert rows(report.path)[2] == ["b.jpg", "64", "48", "apple", "1", "2", "3", "4"]
    named = [finding for finding in report.findings if finding.path.stem == "b" and finding.code.startswith("ORI")]
    assert len(named) == 1
    assert "fix-exif" in named[0].remedy
    assert report.exit_code == 1


def test_names_that_occur_twice_are_said(tmp_path: Path) -> None:
    pair(tmp_path / "x", "a")
    pair(tmp_path / "y", "a")
    report = xml_to_csv(tmp_path)
    assert len(rows(report.path)) == 3
    assert "CSV004" in codes(report)


@pytest.mark.parametrize(
    ("out", "proposed"),
    [
        ("my cards/IMG.xml", "my cards/IMG.csv"),
        ("my cards/a.jpg", "my cards/a-2.csv"),
        ("logs/train1.log", "logs/train1.csv"),
        ("logs/mine.csv", "logs/mine-3.csv"),
        ("logs", "logs/labels.csv"),
    ],
)
def test_the_name_that_is_proposed_is_free_and_whole(cli: Any, tmp_path: Path, out: str, proposed: str) -> None:
    pair(tmp_path / "my cards", "a")
    (tmp_path / "my cards/a.csv").write_text("mine\n")
    (tmp_path / "logs").mkdir()
    for name in ("train1.log", "mine.csv", "mine-2.csv"):
        (tmp_path / "logs" / name).write_text("mine\n")
    ran = cli("xml2csv", "my cards", "--out", out, cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    option, path = shlex.split(ran.err.partition(" file: " if " file: " in ran.err else "a .csv: ")[2])
    assert (option, path) == ("--out", proposed)
    assert cli("xml2csv", "my cards", "--out", path, cwd=tmp_path).code == 0


def test_a_table_is_replaced_and_anything_else_is_not(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    first = xml_to_csv(tmp_path).path.read_bytes()
    assert xml_to_csv(tmp_path).path.read_bytes() == first
    (tmp_path / "labels.csv").write_text("my,own\nnotes,here\n")
    with pytest.raises(SsdprepError, match="no table of boxes"):
        xml_to_csv(tmp_path)
    assert (tmp_path / "labels.csv").read_text().startswith("my,own")
    assert xml_to_csv(tmp_path, tmp_path / "new" / "x.csv").path.read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "a.xml", "labels.csv", "new"]


# ---- read_csv -------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path: Path) -> None:
    pair(tmp_path, "a", [("NA", 1, 2, 30, 40), ("naïve, indeed", 5, 6, 7, 8)])
    pair(tmp_path, "b", [])
    xml_to_csv(tmp_path, negatives=True)
    assert read_csv(tmp_path, "labels.csv") == [
        Row("a.jpg", 64, 48, 3, 1, 30, 2, 40, "NA"),
        Row("a.jpg", 64, 48, 3, 5, 7, 6, 8, "naïve, indeed"),
        Row("b.jpg", 64, 48, 3, None, None, None, None, ""),
    ]


def test_document_004_has_another_order_and_no_header(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("a.jpg,640,480,3,10,110,20,220.5,apple\r\nb.jpg,64,48,1,1,2,3,4,2\r\n")
    assert read_csv(path) == [
        Row("a.jpg", 640, 480, 3, 10, 110, 20, 220.5, "apple"),
        Row("b.jpg", 64, 48, 1, 1, 2, 3, 4, "2"),
    ]


def test_columns_are_read_by_name(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("﻿xmin,xmax,ymin,ymax,Class,filename,width,height,depth,note\n1,2,3,4,apple,a.jpg,64,48,1,hm\n")
    assert read_csv(path) == [Row("a.jpg", 64, 48, 1, 1, 2, 3, 4, "apple")]


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n1,2\n", f"{','.join(COLUMNS)}\na.jpg,64,48,apple,x,2,3,4\n", "a,1,2,3,4,5,6,nan,b\n", "a,b\n1,2,3\n"],
)
def test_other_tables_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(SsdprepError) as error:
        read_csv(tmp_path / "x.csv")
    assert error.value.remedy


# ---- the command ----------------------------------------------------------------------------------------------------


def test_command(cli: Callable[..., Any], tmp_path: Path) -> None:
    pair(tmp_path, "a")
    pair(tmp_path, "b", [])
    ran = cli("xml2csv", tmp_path, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert {key: ran.json[key] for key in ("csv", "images", "boxes", "negatives", "unlabelled")} == {
        "csv": str(tmp_path / "labels.csv"),
        "images": 1,
        "boxes": 1,
        "negatives": 1,
        "unlabelled": 0,
    }
    assert [finding["code"] for finding in ran.json["findings"]] == ["CSV006"]
    ran = cli("xml2csv", tmp_path, "--negatives", "-o", tmp_path / "x.csv")
    assert (ran.code, ran.err) == (0, "")
    assert str(tmp_path / "x.csv") in ran.out
    assert len(rows(tmp_path / "x.csv")) == 3


def test_command_with_one_bad_file(cli: Callable[..., Any], tmp_path: Path) -> None:
    pair(tmp_path, "a")
    pair(tmp_path, "b")
    (tmp_path / "b.xml").write_text("<annotation>")
    ran = cli("xml2csv", tmp_path)
    assert ran.code == 1
    assert "b.xml:1: error VOC001" in ran.out
    assert len(rows(tmp_path / "labels.csv")) == 2


def test_command_that_cannot_run(cli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "missing"):
        ran = cli("xml2csv", tmp_path / folder)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("error: ")
        assert not (tmp_path / folder / "labels.csv").exists()


def test_boxes_of_damaged_photos_are_written_and_said(cli: Callable[..., Any], tmp_path: Path) -> None:
    pair(tmp_path, "good")
    pair(tmp_path, "bad")
    (tmp_path / "bad.jpg").write_bytes(b"")
    annotation(tmp_path / "alone.xml", [("apple", 1, 1, 9, 9)])
    ran = cli("xml2csv", tmp_path)
    assert ran.code == 1
    assert "2 photos missing or damaged: the boxes are in the table all the same" in ran.out
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 4
    assert cli("xml2csv", tmp_path, "--json").json["unusable"] == 2


def test_a_box_over_the_border_is_written_as_it_stands_and_said(cli: Callable[..., Any], tmp_path: Path) -> None:
    pair(tmp_path, "a", [("apple", 10, 10, 99999, 40), ("apple", -1, 4, 20, 40)])
    ran = cli("xml2csv", tmp_path)
    assert "a.jpg,64,48,apple,10,10,99999,40" in (tmp_path / "labels.csv").read_text()
    assert ran.code == 1
    huge, slight = (line for line in ran.out.splitlines() if " VOC017 " in line)
    assert ": error VOC017 " in huge
    assert "reaches 99935 pixels over" in huge
    assert "draw it again: most of it is off the photo" in huge
    assert "draw it again" not in slight
    assert "xml2csv writes it as it stands" in slight


@pytest.mark.parametrize("name", ["pipe", "photo.JPG", "labels.xml", "folder"])
def test_a_table_never_takes_a_name_that_is_something_elses(cli: Callable[..., Any], tmp_path: Path, name: str) -> None:
    pair(tmp_path / "data", "a")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    ran = cli("xml2csv", tmp_path / "data", "-o", tmp_path / name, timeout=60)
    assert ran.code == 2
    assert f"error: {tmp_path / name} is no " in ran.err
    assert "--out" in ran.err


def test_boxes_of_a_lost_photo_are_not_given_to_another_of_its_name(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    annotation(tmp_path / "old" / "a.xml", [("pear", 1, 2, 3, 4)])
    annotation(tmp_path / "old" / "b.xml", [("plum", 1, 2, 3, 4)])
    report = xml_to_csv(tmp_path)
    assert [(row[0], row[3]) for row in rows(report.path)[1:]] == [("a.jpg", "apple"), ("b.jpg", "plum")]
    assert [f.path.relative_to(tmp_path).as_posix() for f in report.findings if f.code == "CSV007"] == ["old/a.xml"]
    assert (report.images, report.boxes, report.unlabelled) == (2, 2, 0)
