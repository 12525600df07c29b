"""split: every labelled photo in one part, every class in its proportion, the same lists wherever it runs."""

from __future__ import annotations

import itertools
import shutil
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from folders import APPLE, Labelled, annotation, pair, photo
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ssdprep.record import SsdprepError
from ssdprep.scan import scan_folder
from ssdprep.split import split_folder
from ssdprep.stratify import apportion, stratify

LISTS = ("test.txt", "train.txt", "trainval.txt", "val.txt")
TENTHS = {"train": Fraction(7, 10), "val": Fraction(1, 10), "test": Fraction(2, 10)}
KINDS = [set(), *map(set, ("a", "b", "c", "d", "ab", "ac", "ad", "bc", "bd", "cd"))]
MILK: Labelled = ("milk", 0, 0, 20, 20)
OTHER: Labelled = ("milk", 30, 0, 50, 20)

sets = st.lists(st.sets(st.sampled_from("abcdefgh"), max_size=3), max_size=60)
shares = st.tuples(st.integers(0, 49), st.integers(0, 50)).map(
    lambda two: {"train": Fraction(100 - sum(two), 100), "val": Fraction(two[0], 100), "test": Fraction(two[1], 100)}
)


def photos(folder: Path, count: int, *boxes: Labelled, start: int = 0) -> None:
    """Photos p00 ... with the same boxes."""
    for number in range(start, start + count):
        photo(folder / f"p{number:02d}.jpg", seed=number)
        annotation(folder / f"p{number:02d}.xml", boxes)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 photos of apples, 10 of milk and apples, 10 negatives. Read only: copy it."""
    folder = tmp_path_factory.mktemp("made") / "my photos"
    photos(folder, 10, APPLE)
    photos(folder, 10, APPLE, MILK, OTHER, start=10)
    photos(folder, 10, start=20)
    return folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "my photos"))


def lists(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "ImageSets/Main").iterdir())}


def parts(folder: Path) -> dict[str, list[str]]:
    """The splits as the other verbs see them: photos below the folder."""
    scanned = scan_folder(folder)
    assert not [finding for finding in scanned.findings if finding.code.startswith("SPL")]
    return {
        name: [record.path.relative_to(folder).as_posix() for record in records]
        for name, records in scanned.splits.items()
    }


def codes(report: Any) -> list[str]:
    return [finding.code for finding in report.findings if finding.code.startswith("SPL")]


def test_the_command_writes_lists_that_scan_reads(cli: Callable[..., Any], data: Path) -> None:
    done = cli("split", data)
    assert done.code == 0, done.err
    assert tuple(lists(data)) == LISTS
    found = parts(data)
    assert {name: len(names) for name, names in found.items()} == {"train": 21, "val": 3, "test": 6, "trainval": 24}
    assert sorted(found["train"] + found["val"] + found["test"]) == [f"p{number:02d}.jpg" for number in range(30)]
    assert found["trainval"] == sorted(found["train"] + found["val"])
    assert lists(data)["train.txt"].decode() == "".join(f"{name[:3]}\n" for name in found["train"])
    assert "30 photos" in done.out
    assert "ssdprep augment" in done.out
    assert "my photos'" in done.out


def test_the_document_counts_every_part(cli: Callable[..., Any], data: Path) -> None:
    done = cli("split", data, "--val", 0.2, "--test", 0.2, "--seed", 3, "--json")
    assert done.code == 0, done.err
    said = ["out", "seed", "splits", "unlabelled", "unusable", "unlistable", "held_out", "groups", "kfold", "removed"]
    said += ["added", "findings"]
    assert list(done.json) == said
    assert done.json["seed"] == 3
    held = {
        "images": 6,
        "negatives": 2,
        "boxes": 8,
        "classes": {"apple": {"images": 4, "boxes": 4}, "milk": {"images": 2, "boxes": 4}},
    }
    assert done.json["splits"]["val"] == held
    assert done.json["splits"]["test"] == held
    assert done.json["splits"]["train"]["images"] == 18
    assert done.json["findings"] == []


def test_a_split_is_replaced_only_when_forced(cli: Callable[..., Any], data: Path) -> None:
    assert cli("split", data).code == 0
    before = lists(data)
    done = cli("split", data, "--seed", 1)
    assert done.code == 2
    assert "holds a split already" in done.err
    assert "--force" in done.err
    assert lists(data) == before
    assert cli("split", data, "--seed", 1, "--force").code == 0
    assert lists(data) != before
    assert cli("split", data, "--force").code == 0
    assert lists(data) == before


def test_killed_anywhere_old_and_new_lists_are_never_mixed(cli: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    split_folder(data)
    renewed = Path(shutil.copytree(data, tmp_path / "renewed"))
    split_folder(renewed, seed=1, force=True)
    old, new = lists(data).items(), lists(renewed).items()
    for step in itertools.count(1):
        killed = Path(shutil.copytree(data, tmp_path / str(step)))
        code = cli("split", killed, "--seed", 1, "--force", env={"SSDPREP_DIE_AT": str(step)}).code
        for hidden in (killed / "ImageSets/Main").glob(".ssdprep-*"):
            hidden.unlink()
        left = lists(killed).items()
        assert left <= old or left <= new, step
        assert "test.txt" in dict(left), step
        if code != 99:
            break
    assert step > len(LISTS)
    assert left == new


def test_one_list_is_a_split_too(data: Path) -> None:
    (data / "ImageSets/Main").mkdir(parents=True)
    (data / "ImageSets/Main/test.txt").write_text("p01\n")
    with pytest.raises(SsdprepError, match=r"test\.txt"):
        split_folder(data)
    assert tuple(lists(data)) == ("test.txt",)


def test_forced_it_forgets_what_was_wrong_with_the_old_lists(data: Path) -> None:
    (data / "ImageSets/Main").mkdir(parents=True)
    (data / "ImageSets/Main/train.txt").write_text("p01\ngone\n")
    (data / "ImageSets/Main/test.txt").write_text("p01\n")
    report = split_folder(data, force=True)
    assert codes(report) == []
    assert report.exit_code == 0
    assert len(parts(data)["trainval"]) == 24


def test_the_seed_and_the_names_decide_nothing_else(data: Path, tmp_path: Path) -> None:
    split_folder(data)
    elsewhere = Path(shutil.copytree(data, tmp_path / "other/place"))
    split_folder(elsewhere, force=True)
    assert lists(elsewhere) == lists(data)


def test_these_very_photos_on_every_system_and_version(data: Path) -> None:
    split_folder(data)
    assert lists(data)["val.txt"] == b"p04\np16\np24\n"
    assert lists(data)["test.txt"] == b"p03\np06\np13\np19\np20\np26\n"


def test_out_is_written_and_the_folder_left_alone(cli: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    before = sorted(data.iterdir())
    done = cli("split", data, "--out", tmp_path / "lists")
    assert done.code == 0, done.err
    assert sorted(path.name for path in (tmp_path / "lists").iterdir()) == list(LISTS)
    assert sorted(data.iterdir()) == before
    assert "--out" in cli("split", data, "--out", tmp_path / "lists").err


@pytest.mark.parametrize(("val", "test"), [(0.5, 0.5), (1.0, 0.0), (0.1, 0.9)])
def test_shares_that_leave_nothing_to_train_on(cli: Callable[..., Any], data: Path, val: float, test: float) -> None:
    done = cli("split", data, "--val", val, "--test", test)
    assert done.code == 2
    assert "nothing to train on" in done.err
    assert not (data / "ImageSets").exists()


@pytest.mark.parametrize(("val", "test"), [(-0.1, 0.2), (0.1, float("nan")), (0.1, 1.5)])
def test_shares_that_are_none_are_a_wrong_call(data: Path, val: float, test: float) -> None:
    with pytest.raises(ValueError, match="shares"):
        split_folder(data, val=val, test=test)


@pytest.mark.parametrize("words", [("split", "nowhere"), ("split", ".")])
def test_a_folder_that_cannot_be_split(cli: Callable[..., Any], tmp_path: Path, words: tuple[str, str]) -> None:
    done = cli(*words, cwd=tmp_path)
    assert done.code == 2
    assert "try:" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_nothing_is_an_empty_list(data: Path) -> None:
    split_folder(data)
    report = split_folder(data, val=0.0, test=0.3, force=True)
    assert lists(data)["val.txt"] == b""
    assert lists(data)["trainval.txt"] == lists(data)["train.txt"]
    assert (report.splits["val"].images, report.splits["test"].images) == (0, 9)
    assert codes(report) == []


def test_photos_without_annotation_are_no_negatives(data: Path) -> None:
    (data / "p20.xml").unlink()
    (data / "p21.xml").unlink()
    report = split_folder(data)
    assert codes(report) == ["SPL002"]
    assert report.unlabelled == 2
    assert sum(part.negatives for part in report.splits.values()) == 8
    assert not {"p20.jpg", "p21.jpg"} & {name for names in parts(data).values() for name in names}


def test_one_bad_file_is_said_and_the_rest_goes_on(cli: Callable[..., Any], data: Path) -> None:
    (data / "p00.xml").write_text("<annotation><obj")
    (data / "p01.jpg").write_bytes(b"no photo")
    done = cli("split", data, "--json")
    assert done.code == 1
    assert {Path(finding["path"]).name for finding in done.json["findings"]} == {"p00.xml", "p01.jpg"}
    assert sum(part["images"] for part in done.json["splits"].values()) == 28


def test_only_unlabelled_photos_are_nothing_to_split(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    with pytest.raises(SsdprepError, match="no photo"):
        split_folder(tmp_path)
    assert not (tmp_path / "ImageSets").exists()


def test_annotations_alone_are_split(tmp_path: Path) -> None:
    for number in range(10):
        annotation(tmp_path / f"a{number}.xml", [APPLE])
    assert [part.images for part in split_folder(tmp_path).splits.values()] == [7, 1, 2]
    assert {name: len(names) for name, names in parts(tmp_path).items()} == {
        "train": 7,
        "val": 1,
        "test": 2,
        "trainval": 8,
    }


def test_stems_that_repeat_are_written_as_paths(tmp_path: Path) -> None:
    for stem in ("one/a", "two/a", "two/b", "two/A 1", "JPEGImages/a", "Ärger/b", "c.jpg", "c", " d", "e "):
        pair(tmp_path, stem)
    photo(tmp_path / "c.png")
    (tmp_path / "c.xml").unlink()
    report = split_folder(tmp_path)
    assert codes(report) == ["SPL005", "SPL002"]  # " d": a list has no blanks at its ends
    found = parts(tmp_path)
    listed = found["train"] + found.get("val", []) + found["test"]
    expected = ["JPEGImages/a.jpg", "c.jpg.jpg", "e .jpg", "one/a.jpg", "two/A 1.jpg", "two/a.jpg", "two/b.jpg"]
    assert sorted(listed) == [*expected, "Ärger/b.jpg"]


def test_names_that_only_case_tells_apart_are_said_to_be_so(cli: Callable[..., Any], data: Path) -> None:
    (data / "A.jpg").touch()
    if (data / "a.jpg").exists():
        pytest.skip("this disk knows no case")
    for stem in ("A", "a"):
        pair(data, stem)
    done = cli("split", data, "--no-group")
    assert done.code == 1
    said = [line for line in done.out.splitlines() if "SPL005" in line]
    assert len(said) == 2
    assert all("upper and lower case only" in line for line in said)


def test_a_class_of_one_or_two_photos_is_trained_on(data: Path) -> None:
    for stem in ("p20", "p21"):
        annotation(data / f"{stem}.xml", [("kiwi", 1, 1, 9, 9)])
    report = split_folder(data)
    assert codes(report) == ["SPL001"]
    assert "'kiwi' is in 2 photos" in report.findings[-1].message
    assert report.splits["train"].classes["kiwi"].images == 2
    assert report.exit_code == 0


def test_what_cannot_be_kept_is_said(tmp_path: Path) -> None:
    photos(tmp_path, 3, APPLE)
    report = split_folder(tmp_path)
    assert [part.images for part in report.splits.values()] == [2, 0, 1]
    assert codes(report) == ["SPL003", "SPL004"]
    assert all(finding.remedy for finding in report.findings)


def test_real_cells_keep_their_proportions(real_data: Path, tmp_path: Path) -> None:
    report = split_folder(real_data / "bccd", out=tmp_path)
    images = {name: part.images for name, part in report.splits.items()}
    assert images == {"train": 255, "val": 36, "test": 73}
    for label in ("Platelets", "RBC", "WBC"):
        total = sum(part.classes[label].images for part in report.splits.values())
        for name, part in report.splits.items():
            assert abs(part.classes[label].images - float(TENTHS[name]) * total) <= 3


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (0, (0, 0, 0)),
        (1, (1, 0, 0)),
        (2, (1, 0, 1)),
        (3, (2, 0, 1)),
        (4, (2, 1, 1)),
        (5, (3, 1, 1)),
        (10, (7, 1, 2)),
        (84, (59, 8, 17)),
    ],
)
def test_sizes_by_hand(count: int, sizes: tuple[int, int, int]) -> None:
    assert tuple(apportion(count, TENTHS).values()) == sizes


@given(count=st.integers(0, 500), wanted=shares)
def test_sizes_are_within_one_of_their_share(count: int, wanted: dict[str, Fraction]) -> None:
    sizes = apportion(count, wanted)
    assert sum(sizes.values()) == count
    assert all(abs(sizes[name] - share * count) <= 1 for name, share in wanted.items())
    assert sizes["train"] or not count
    assert not any(sizes[name] for name, share in wanted.items() if not share)


@settings(deadline=None)
@given(labels=sets, wanted=shares)
def test_every_item_is_in_one_part_of_the_right_size(labels: list[set[str]], wanted: dict[str, Fraction]) -> None:
    part = stratify(labels, wanted)
    total = Counter(name for names in labels for name in names)
    rare = [i for i, names in enumerate(labels) if any(total[name] <= 2 for name in names)]
    assert len(part) == len(labels)
    assert {part[item] for item in rare} <= {"train"}
    sizes = Counter(part)
    if len(rare) <= apportion(len(labels), wanted)["train"]:
        assert all(abs(sizes[name] - share * len(labels)) <= 1 for name, share in wanted.items())
    else:
        assert sizes["train"] == len(rare)


@settings(deadline=None)
@given(counts=st.lists(st.integers(0, 40), min_size=len(KINDS), max_size=len(KINDS)))
def test_classes_are_in_proportion(counts: list[int]) -> None:
    labels = [kind for kind, count in zip(KINDS, counts, strict=True) for _ in range(count)]
    assume(len(labels) >= 80)
    part = stratify(labels, TENTHS)
    total = Counter(name for names in labels for name in names or {"none"})
    free = Counter(name for names in labels for name in names or {"none"} if all(total[other] > 2 for other in names))
    for name, share in TENTHS.items():
        has = Counter(label for names, p in zip(labels, part, strict=True) if p == name for label in names or {"none"})
        for label, count in total.items():
            assert has[label] or free[label] <= 2, (name, label)
            if count > 2:
                assert abs(has[label] - share * count) <= 3 + count / 25, (name, label)


def test_many_rare_classes_do_not_drive_a_frequent_one_out() -> None:
    labels = [{f"rare{number % 12}"} for number in range(36)] + [{"often"}] * 64
    part = stratify(labels, TENTHS)
    assert Counter(part) == {"train": 70, "val": 10, "test": 20}
    assert {p for names, p in zip(labels, part, strict=True) if "often" in names} == {"train", "val", "test"}


def test_what_later_steps_cannot_use_is_in_no_list(cli: Callable[..., Any], data: Path) -> None:
    photo(data / "p00.jpg", orientation=3)  # which leaves no trace in <size>
    whole = (data / "p01.jpg").read_bytes()
    (data / "p01.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    done = cli("split", data)
    assert done.code == 1
    assert "2 photos damaged, with broken labels, or with boxes in an unknown frame: in no part" in done.out
    assert {"p00", "p01"}.isdisjoint(b"".join(lists(data).values()).decode().split())
    errors = [line.partition(": error ")[2] for line in done.out.splitlines() if ": error " in line]
    assert sorted(line.split()[0] for line in errors) == ["IMG003", "ORI001"]


def test_every_photo_is_counted_once(cli: Callable[..., Any], data: Path) -> None:
    (data / "p00.xml").write_text("")
    (data / "p01.xml").write_text("<annotation><obj")
    (data / "p02.xml").unlink()
    (data / "p03.jpg").write_bytes(b"no photo")
    pair(data, " blank")
    for name in ("p04", "p05"):  # one that is drawn from a photo that is gone
        shutil.copyfile(data / f"{name}.xml", data / f"{name}-1.xml")
        shutil.copyfile(data / f"{name}.jpg", data / f"{name}-1.jpg")
    (data / "augmentation.csv").write_text("picture,original\np04-1.jpg,gone.jpg\np05-1.jpg,gone.jpg\n")
    done = cli("split", data, "--json").json
    counts = {name: done[name] for name in ("unlabelled", "unusable", "unlistable", "held_out")}
    assert counts == {"unlabelled": 1, "unusable": 3, "unlistable": 1, "held_out": 2}
    assert sum(part["images"] for part in done["splits"].values()) + sum(counts.values()) == 33
    said = cli("split", data, "--force").out
    assert "26 photos, " in said
    assert "3 photos damaged, with broken labels, or with boxes in an unknown frame: in no part\n" in said
    assert "1 photo with a name that no list can hold: in no part\n" in said
