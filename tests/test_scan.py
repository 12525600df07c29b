"""A folder becomes a data set, whatever lies in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from folders import APPLE, annotation, pair, photo
from hypothesis import given
from hypothesis import strategies as st
from make_photos import exif_block, jpeg, scene

from ssdprep.pairing import pair as pair_names
from ssdprep.record import Box, Dataset, Object, Severity, Size, SsdprepError
from ssdprep.scan import scan_folder


def names(dataset: Dataset) -> list[tuple[str | None, str | None]]:
    def shown(path: Path | None) -> str | None:
        return path.relative_to(dataset.root).as_posix() if path else None

    return [(shown(record.image), shown(record.annotation)) for record in dataset.records]


def found(dataset: Dataset, *severities: Severity) -> list[tuple[str, str]]:
    return [
        (finding.code, finding.path.relative_to(dataset.root).as_posix())
        for finding in dataset.findings
        if finding.severity in (severities or tuple(Severity))
    ]


# ---- layouts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "xml"),
    [
        ("a.jpg", "a.xml"),
        ("images/a.jpg", "annotations/a.xml"),
        ("JPEGImages/a.jpg", "Annotations/a.xml"),
        ("VOC2012/JPEGImages/a.jpg", "VOC2012/Annotations/a.xml"),
        ("train/images/a.jpg", "train/annotations/a.xml"),
        ("images/train/a.jpg", "annotations/train/a.xml"),
        ("x/y/z/photos2020/a.jpg", "labels_of_2020/a.xml"),
        ("a b/ä 🍎.JPG", "a b/ä 🍎.XML"),
        ("a.jpg", "b.xml"),
    ],
)
def test_any_layout(tmp_path: Path, image: str, xml: str) -> None:
    photo(tmp_path / image)
    annotation(tmp_path / xml, [APPLE], filename=Path(image).name)
    dataset = scan_folder(tmp_path)
    assert names(dataset) == [(image, xml)]
    assert dataset.findings == ()
    (record,) = dataset.records
    assert record.objects == (Object("apple", Box(10, 10, 30, 40), line=10),)
    assert (record.stored_size, record.labelled_size, record.orientation) == (Size(64, 48), Size(64, 48), 1)
    assert record.filename == Path(image).name


def test_the_same_stem_in_two_places_goes_by_the_place(tmp_path: Path) -> None:
    for part in ("train", "val"):
        photo(tmp_path / part / "images" / "1.jpg")
        annotation(tmp_path / part / "annotations" / "1.xml", [(part, 1, 1, 9, 9)])
    dataset = scan_folder(tmp_path)
    assert [(record.image.parts[-3], record.objects[0].name) for record in dataset.records if record.image] == [
        ("train", "train"),
        ("val", "val"),
    ]
    assert dataset.findings == ()


def test_order_is_the_same_whatever_the_case(tmp_path: Path) -> None:
    for stem in ("b", "C", "a", "D10", "D9"):
        pair(tmp_path, stem)
    assert [record.path.stem for record in scan_folder(tmp_path).records] == ["a", "b", "C", "D10", "D9"]


def test_hidden_files_and_masks_are_passed_over(tmp_path: Path) -> None:
    pair(tmp_path / "JPEGImages", "a")
    pair(tmp_path / ".ssdprep" / "backup", "b")
    photo(tmp_path / "._a.jpg")
    photo(tmp_path / "SegmentationClass" / "a.png")
    dataset = scan_folder(tmp_path)
    assert names(dataset) == [("JPEGImages/a.jpg", "JPEGImages/a.xml")]
    assert dataset.findings == ()


def test_an_old_labelimg_wrote_no_extension(tmp_path: Path) -> None:
    photo(tmp_path / "IMG 1.5.jpg")
    annotation(tmp_path / "x.xml", [APPLE], filename="IMG 1.5")
    dataset = scan_folder(tmp_path)
    assert names(dataset) == [("IMG 1.5.jpg", "x.xml")]
    assert found(dataset) == [("VOC022", "x.xml")]


# ---- what does not match --------------------------------------------------------------------------------------------


def test_lonely_files(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    photo(tmp_path / "photo.jpg")
    annotation(tmp_path / "labels.xml", [APPLE])
    dataset = scan_folder(tmp_path)
    assert names(dataset) == [("a.jpg", "a.xml"), (None, "labels.xml"), ("photo.jpg", None)]
    assert found(dataset) == [("PAIR001", "labels.xml"), ("PAIR002", "photo.jpg")]


def test_only_one_kind_is_said_once(tmp_path: Path) -> None:
    for number in range(3):
        photo(tmp_path / "photos" / f"{number}.jpg")
        annotation(tmp_path / "xml" / f"{number}.xml", [APPLE])
    assert found(scan_folder(tmp_path / "photos")) == [("PAIR007", ".")]
    assert found(scan_folder(tmp_path / "xml")) == [("PAIR007", ".")]
    assert len(scan_folder(tmp_path / "xml").records) == 3


def test_a_second_annotation_is_not_read(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    annotation(tmp_path / "annotations" / "a.xml", [("old", 1, 1, 9, 9)])
    dataset = scan_folder(tmp_path)
    assert names(dataset) == [("a.jpg", "a.xml")]
    assert dataset.classes == ("apple",)
    assert found(dataset) == [("PAIR003", "annotations/a.xml")]


def test_of_two_equal_annotations_neither_is_used(tmp_path: Path) -> None:
    photo(tmp_path / "images" / "a.jpg")
    for folder in ("annotations", "labels"):
        annotation(tmp_path / folder / "a.xml", [(folder, 1, 1, 9, 9)])
    dataset = scan_folder(tmp_path)
    assert dataset.records == ()
    assert dataset.left_out == (tmp_path / "images" / "a.jpg",)
    assert found(dataset) == [("PAIR003", "images/a.jpg")]


def test_two_photos_of_one_stem(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "a.png")
    annotation(tmp_path / "a.xml", [APPLE], filename="nothing.gif")
    dataset = scan_folder(tmp_path)
    assert dataset.records == ()
    assert len(dataset.left_out) == 2
    assert found(dataset) == [("PAIR004", "a.xml")]
    annotation(tmp_path / "a.xml", [APPLE], filename="a.png")
    dataset = scan_folder(tmp_path)
    assert names(dataset) == [("a.jpg", None), ("a.png", "a.xml")]
    assert found(dataset) == [("PAIR002", "a.jpg")]


def test_an_ambiguous_stem_is_not_guessed(tmp_path: Path) -> None:
    photo(tmp_path / "x" / "1.jpg")
    photo(tmp_path / "y" / "1.jpg")
    annotation(tmp_path / "z" / "1.xml", [APPLE])
    dataset = scan_folder(tmp_path)
    assert dataset.records == ()
    assert found(dataset) == [("PAIR004", "z/1.xml")]


def test_a_photo_that_an_ambiguous_annotation_may_mean_is_not_given_away(tmp_path: Path) -> None:
    photo(tmp_path / "b.jpg")
    photo(tmp_path / "train" / "b.jpg")
    annotation(tmp_path / "images" / "a.xml", [APPLE], filename="b.jpg")  # a sibling of the first
    annotation(tmp_path / "x" / "c.xml", [APPLE], filename="b.jpg")
    dataset = scan_folder(tmp_path)
    assert dataset.records == ()
    assert found(dataset) == [("PAIR003", "b.jpg"), ("PAIR004", "x/c.xml")]
    assert "images/a.xml, x/c.xml" in dataset.findings[0].message


def test_a_name_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    photo(tmp_path / "outside.jpg")
    pair(tmp_path / "data", "a")
    for number, name in enumerate(("../outside.jpg", str(tmp_path / "outside.jpg"), "..\\outside.jpg", "..")):
        annotation(tmp_path / "data" / f"x{number}.xml", [APPLE], filename=name)
    dataset = scan_folder(tmp_path / "data")
    assert [record.image for record in dataset.records] == [tmp_path / "data" / "a.jpg", None, None, None, None]
    assert [code for code, _ in found(dataset, Severity.ERROR)] == ["PAIR001"] * 4


stems = st.sampled_from(["a", "A", "b", "a.b", "ä"])
folders = st.sampled_from(["", "images/", "annotations/", "train/", "train/images/", "x/y/"])
photo_names = st.lists(st.builds("{}{}{}".format, folders, stems, st.sampled_from([".jpg", ".png"])), unique=True)
xml_names = st.lists(st.builds("{}{}.xml".format, folders, stems), unique=True)


@given(photo_names, xml_names, st.data())
def test_no_file_is_used_twice_and_none_is_forgotten(photos: list[str], xmls: list[str], data: st.DataObject) -> None:
    filenames = {xml: data.draw(st.sampled_from(["", "a.jpg", "b", "A.png"])) for xml in xmls}
    pairing = pair_names(photos, xmls, filenames)
    paired = list(pairing.photo_of.values())
    assert len(set(paired)) == len(paired)
    assert set(paired) <= set(photos)
    assert not pairing.withheld & set(paired)
    assert set(pairing.second.values()) <= {*paired, *pairing.withheld}
    parts = [set(pairing.photo_of), set(pairing.second), set(pairing.ambiguous)]
    parts += [set(rivals) for rivals in pairing.rivals.values()]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(pairing.settled)
    shuffled = pair_names(photos[::-1], xmls[::-1], filenames)
    assert shuffled.photo_of == pairing.photo_of
    assert shuffled.withheld == pairing.withheld


# ---- files that cannot be used --------------------------------------------------------------------------------------


def test_a_broken_annotation_takes_its_photo_out_and_nothing_else(tmp_path: Path) -> None:
    for stem in ("a", "b", "c", "d"):
        pair(tmp_path, stem)
    (tmp_path / "b.xml").write_bytes((tmp_path / "b.xml").read_bytes()[:300])
    (tmp_path / "c.xml").write_bytes(b"")
    annotation(tmp_path / "d.xml", [("apple", 9, 9, 9, 20)])
    dataset = scan_folder(tmp_path)
    assert names(dataset) == [("a.jpg", "a.xml")]
    assert [path.name for path in dataset.left_out] == ["b.jpg", "c.jpg", "d.jpg"]
    assert found(dataset) == [("VOC001", "b.xml"), ("VOC001", "c.xml"), ("VOC004", "d.xml")]


def test_photos_that_are_none(tmp_path: Path) -> None:
    for stem in "abcdef":
        pair(tmp_path, stem)
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "b.jpg").write_bytes(b"<html>404</html>")
    (tmp_path / "c.jpg").write_bytes((tmp_path / "c.jpg").read_bytes()[:-200])
    (tmp_path / "d.jpg").unlink()
    (tmp_path / "d.jpg").mkdir()
    photo(tmp_path / "e.jpg", kind="PNG")
    photo(tmp_path / "f.jpg", orientation=65)
    dataset = scan_folder(tmp_path)
    sizes = {record.path.name: record.stored_size for record in dataset.records}
    assert sizes == {
        "a.jpg": None,
        "b.jpg": None,
        "c.jpg": Size(64, 48),
        "d.xml": None,
        "e.jpg": Size(64, 48),
        "f.jpg": Size(64, 48),
    }
    assert found(dataset) == [
        ("IMG001", "a.jpg"),
        ("IMG002", "b.jpg"),
        ("IMG003", "c.jpg"),
        ("PAIR006", "d.jpg"),
        ("PAIR001", "d.xml"),
        ("IMG011", "e.jpg"),
        ("IMG012", "f.jpg"),
    ]


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"mif1", b"msf1"])
def test_a_photo_of_a_phone_that_cannot_be_read_is_not_called_none(tmp_path: Path, brand: bytes) -> None:
    pair(tmp_path, "a")
    (tmp_path / "b.heic").write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic\0\0\1\0meta")
    annotation(tmp_path / "b.xml", [APPLE], filename="b.heic")
    (finding,) = scan_folder(tmp_path).findings
    assert (finding.code, finding.path.name, finding.message) == ("IMG002", "b.heic", "HEIC cannot be read here")
    assert finding.remedy == "export it as JPEG (on the phone: Settings, Camera, Formats, Most Compatible)"


def test_a_thumbnail_does_not_end_the_photo(tmp_path: Path) -> None:
    thumbnail = jpeg(scene(Size(32, 24)))
    whole = jpeg(scene(Size(64, 48)), exif_block(1, thumbnail=thumbnail))
    for stem in ("a", "b"):
        annotation(tmp_path / f"{stem}.xml", [APPLE])
        (tmp_path / f"{stem}.jpg").write_bytes(whole)
    (tmp_path / "b.jpg").write_bytes(whole[:-200])
    assert thumbnail in whole[:-200]
    assert found(scan_folder(tmp_path)) == [("IMG003", "b.jpg")]


def test_data_behind_the_end_of_a_photo_is_no_fault(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    with (tmp_path / "a.jpg").open("ab") as file:
        file.write(b"\0" * 10_000)
    assert scan_folder(tmp_path).findings == ()


@pytest.mark.skipif(os.name == "nt", reason="links need a right on Windows")
def test_links(tmp_path: Path) -> None:
    data = tmp_path / "data"
    pair(data, "a")
    pair(tmp_path / "elsewhere", "b")
    pair(data / ".store", "c")
    (data / "loop").symlink_to(data, target_is_directory=True)
    (data / "loop.jpg").symlink_to(data / "loop.jpg")
    (data / "dangling.xml").symlink_to(data / "nowhere.xml")
    (data / "out").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (data / "b.jpg").symlink_to(tmp_path / "elsewhere" / "b.jpg")
    (data / "c.jpg").symlink_to(data / ".store" / "c.jpg")
    (data / "c.xml").symlink_to(data / ".store" / "c.xml")
    (data / "twice.jpg").symlink_to(data / "a.jpg")
    (data / "readme").symlink_to(tmp_path / "elsewhere" / "readme")
    dataset = scan_folder(data)
    assert names(dataset) == [("a.jpg", "a.xml"), ("c.jpg", "c.xml")]
    assert found(dataset, Severity.ERROR) == [
        ("PAIR005", name) for name in ("b.jpg", "dangling.xml", "loop.jpg", "out")
    ]
    assert found(dataset, Severity.INFO) == [("PAIR005", "loop"), ("PAIR005", "twice.jpg")]


def test_a_linked_root_is_followed(tmp_path: Path) -> None:
    pair(tmp_path / "data", "a")
    (tmp_path / "link").symlink_to(tmp_path / "data", target_is_directory=True)
    assert names(scan_folder(tmp_path / "link")) == [("a.jpg", "a.xml")]


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="the file system wants UTF-8")
def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    shutil.copy(tmp_path / "a.jpg", os.fsencode(tmp_path) + b"/\xff.jpg")
    dataset = scan_folder(tmp_path)
    assert names(dataset) == [("a.jpg", "a.xml")]
    assert found(dataset) == [("PAIR008", "\\xff.jpg")]


_AS_NOBODY = """
import os, sys
from pathlib import Path
from ssdprep.scan import scan_folder

root = Path(sys.argv[1])
scan_folder(root)  # whatever is imported late must be in memory before rights are dropped
if os.getuid() == 0:
    os.setuid(65534)
print(*(f"{finding.code} {finding.path.name}" for finding in scan_folder(root).findings), sep=os.linesep)
"""


@pytest.mark.skipif(os.name == "nt", reason="files are not sealed by their mode")
def test_what_may_not_be_read_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folder is closed to other users
        root = Path(folder)
        root.chmod(0o755)
        for stem in ("a", "b", "c"):
            pair(root, stem)
        pair(root / "sealed", "d")
        for name in ("b.jpg", "c.xml", "sealed"):
            (root / name).chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, root], capture_output=True, text=True, check=True, timeout=60
        )
        (root / "sealed").chmod(0o700)
    assert done.stdout.split("\n")[:-1] == ["IMG013 b.jpg", "VOC015 c.xml", "PAIR006 sealed"]


@pytest.mark.parametrize("name", ["missing", "empty", "file.txt", "without"])
def test_no_data_set(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "notes.txt").write_text("x")
    with pytest.raises(SsdprepError) as error:
        scan_folder(tmp_path / name)
    assert error.value.remedy


# ---- what the labels say --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([("a", 0, 0, 64, 48)], []),
        ([("a", 0, 0, 64.0005, 48)], []),
        ([("a", 60, 40, 66, 48)], ["VOC017"]),
        ([("a", -1, 4, 20, 40)], ["VOC017"]),
        ([("a", 64, 4, 80, 40)], ["VOC016"]),
        ([("a", -9, 4, 0, 40)], ["VOC016"]),
        ([("a", 1e9, 1e9, 2e9, 2e9)], ["VOC016"]),
        ([("a", 4, 4, 5, 40)], ["VOC020"]),
        ([("a", 4, 4, 9, 9), ("a", 4, 4, 9, 9)], ["VOC018"]),
        ([("a", 4, 4, 9, 9), ("b", 4, 4, 9, 9)], ["VOC019"]),
        ([("a", 4, 4, 44, 44), ("a", 5, 5, 44, 44)], ["VOC025"]),
        ([("a", 4, 4, 44, 44), ("b", 5, 5, 44, 44)], []),
        ([("a", 4, 4, 44, 44), ("a", 9, 5, 44, 44)], []),
        ([("milk carton", 4, 4, 9, 9), ("Milk  Carton", 1, 4, 9, 9)], ["VOC021"]),
        ([("apple", 4, 4, 9, 9), ("apples", 1, 4, 9, 9)], []),
    ],
)
def test_boxes_and_names(
    tmp_path: Path, boxes: list[tuple[str, float, float, float, float]], expected: list[str]
) -> None:
    pair(tmp_path, "a", boxes)
    dataset = scan_folder(tmp_path)
    assert [code for code, _ in found(dataset)] == expected
    assert len(dataset.records[0].objects) == len(boxes)


@pytest.mark.parametrize(
    ("orientation", "labelled", "box", "expected"),
    [
        (6, (64, 48), ("a", 0, 0, 64, 48), []),
        (6, (48, 64), ("a", 0, 0, 48, 64), []),
        (6, (48, 64), ("a", 0, 0, 64, 48), ["VOC017"]),
        (6, (49, 64), ("a", 0, 0, 48, 64), ["ORI003"]),
        (6, None, ("a", 0, 0, 64, 48), []),
        (6, None, ("a", 0, 0, 48, 64), []),
        (6, None, ("a", 0, 0, 50, 60), ["VOC017"]),
        (3, None, ("a", 0, 0, 64, 48), []),
        (1, (48, 64), ("a", 0, 0, 48, 64), []),
        (1, (640, 480), ("a", 0, 0, 640, 480), []),
    ],
)
def test_a_box_is_measured_in_its_own_frame(
    tmp_path: Path,
    orientation: int,
    labelled: tuple[int, int] | None,
    box: tuple[str, float, float, float, float],
    expected: list[str],
) -> None:
    photo(tmp_path / "a.jpg", orientation=orientation)
    annotation(tmp_path / "a.xml", [box], size=labelled)
    assert [code for code, _ in found(scan_folder(tmp_path)) if code != "VOC012"] == expected


# ---- splits ---------------------------------------------------------------------------------------------------------


def write_list(root: Path, name: str, *lines: str) -> None:
    path = root / "ImageSets" / "Main" / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\r\n".join((*lines, "")).encode())


def split_names(dataset: Dataset) -> dict[str, list[str]]:
    return {name: [record.path.name for record in records] for name, records in dataset.splits.items()}


def test_splits(tmp_path: Path) -> None:
    for stem in ("a", "b", "photo 1", "c"):
        pair(tmp_path / "JPEGImages", stem)
    write_list(tmp_path, "train", "a", "", "photo 1")
    write_list(tmp_path, "val", "JPEGImages/b  1", "c.jpg")
    write_list(tmp_path, "trainval", "a", "b", "photo 1", "c")
    write_list(tmp_path, "apple_train", "a -1", "b  1", "c  0")
    dataset = scan_folder(tmp_path)
    assert split_names(dataset) == {
        "train": ["a.jpg", "photo 1.jpg"],
        "trainval": ["a.jpg", "b.jpg", "photo 1.jpg", "c.jpg"],
        "val": ["b.jpg", "c.jpg"],
    }
    assert dataset.findings == ()


def test_splits_of_annotations_alone(tmp_path: Path) -> None:
    for stem in ("a", "b"):
        annotation(tmp_path / "Annotations" / f"{stem}.xml", [APPLE])
    write_list(tmp_path, "train", "b")
    dataset = scan_folder(tmp_path)
    assert split_names(dataset) == {"train": ["b.xml"]}
    assert found(dataset) == [("PAIR007", ".")]


def test_a_stem_in_two_folders_goes_by_its_path(tmp_path: Path) -> None:
    pair(tmp_path / "x", "1")
    pair(tmp_path / "y", "1")
    write_list(tmp_path, "train", "x/1")
    write_list(tmp_path, "val", "1")
    write_list(tmp_path, "test", "y\\1")
    dataset = scan_folder(tmp_path)
    assert [record.path for record in dataset.splits["train"]] == [tmp_path / "x" / "1.jpg"]
    assert [record.path for record in dataset.splits["test"]] == [tmp_path / "y" / "1.jpg"]
    assert found(dataset) == [("SPL014", "ImageSets/Main/val.txt")]


def test_a_photo_that_is_gone_is_said_where_it_matters(cli: Any, tmp_path: Path) -> None:
    pair(tmp_path, "a")
    write_list(tmp_path, "test", "gone 1")
    write_list(tmp_path, "train", "a", "lost")
    write_list(tmp_path, "trainval", "lost", "a", "away")
    write_list(tmp_path, "val", "lost", "seek")
    for name in ("fold1_train", "fold1_val"):
        write_list(tmp_path, name, "lost", "seek", "away", "nowhere")
    ran = cli("audit", tmp_path, "--no-pixels", "--json")
    found = [(Path(f["path"]).stem, f["line"]) for f in ran.json["findings"] if f["code"] == "SPL011"]
    assert found == [("fold1_train", 4), ("test", 1), ("train", 2), ("trainval", 3), ("val", 1), ("val", 2)]


def test_faults_of_lists(tmp_path: Path) -> None:
    for stem in ("a", "b", "broken"):
        pair(tmp_path, stem)
    (tmp_path / "broken.xml").write_text("")
    write_list(tmp_path, "train", "a", "gone", "broken", "a")
    write_list(tmp_path, "test", "a", "b")
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_bytes(b"\xff\xfe\xff")
    dataset = scan_folder(tmp_path)
    assert split_names(dataset) == {"test": ["a.jpg", "b.jpg"], "train": ["a.jpg"]}
    assert found(dataset) == [
        ("SPL011", "ImageSets/Main/train.txt"),
        ("SPL013", "ImageSets/Main/val.txt"),
        ("SPL012", "a.jpg"),
        ("VOC001", "broken.xml"),
    ]
    assert [finding.line for finding in dataset.findings if finding.code == "SPL011"] == [2]


# ---- the whole ------------------------------------------------------------------------------------------------------


def test_workers_give_the_same(tmp_path: Path) -> None:
    for number in range(5):
        pair(tmp_path, str(number))
    (tmp_path / "3.xml").write_text("<annotation>")
    assert scan_folder(tmp_path, jobs=2) == scan_folder(tmp_path, jobs=1)


def test_scanning_changes_nothing(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*")}
    scan_folder(tmp_path)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*")} == before


NEAR_TWINS = {
    20: 182,
    100: 38,
    104: 170,
    251: 98,
    284: 26,
    331: 38,
    403: 50,
}  # one blood cell labelled twice: looked at


def test_census_of_real_sets(real_data: Path) -> None:
    """Every known fault is found, and nothing is called wrong that a person who looks at it would call right."""
    expected = {
        "cards": (363, []),
        "raccoon": (200, [("IMG014", f"images/raccoon-{number}.jpg", 0) for number in (150, 152, 161)]),
        "bccd": (
            364,
            [
                *(
                    ("VOC004", f"Annotations/BloodImage_00{number}.xml", line)
                    for number, line in ((338, 163), (343, 55))
                ),
                *(("VOC025", f"Annotations/BloodImage_{number:05}.xml", line) for number, line in NEAR_TWINS.items()),
            ],
        ),
    }
    for name, (count, faults) in expected.items():
        dataset = scan_folder(real_data / name)
        assert len(dataset.records) == count
        said = [(f.code, f.path.relative_to(dataset.root).as_posix(), f.line) for f in dataset.findings]
        assert sorted(said) == sorted(faults)
    assert {name: len(records) for name, records in dataset.splits.items()} == {
        "test": 72,
        "train": 205,
        "trainval": 292,
        "val": 87,
    }
