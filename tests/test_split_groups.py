"""split: copies and bursts stay in one part, and folds share out what is not test."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import APPLE, Labelled, annotation, photo
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ssdprep.folds import deal_folds
from ssdprep.record import SsdprepError
from ssdprep.scan import scan_folder
from ssdprep.split import SplitReport, split_folder
from ssdprep.split_findings import of_plan
from ssdprep.split_plan import ClassCount, Part, Plan, Units
from ssdprep.stratify import stratify

TENTHS = {"train": Fraction(7, 10), "val": Fraction(1, 10), "test": Fraction(2, 10)}
MILK: Labelled = ("milk", 0, 0, 20, 20)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """40 photos; the last ten are copies of the first ten: saved again, mirrored, the same bytes."""
    folder = tmp_path / "data"
    for number in range(30):
        photo(folder / f"p{number:02}.jpg", (128, 96), seed=number)
    for number in range(10):
        original, copy = folder / f"p{number:02}.jpg", folder / f"z{number:02}.jpg"
        with Image.open(original) as opened:
            image = opened.copy()
        if number % 3 == 0:
            image.save(copy, quality=50)
        elif number % 3 == 1:
            image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(copy)
        else:
            shutil.copyfile(original, copy)
    for path in sorted(folder.glob("*.jpg")):
        annotation(path.with_suffix(".xml"), [APPLE, MILK] if int(path.stem[1:]) % 2 else [APPLE], size=(128, 96))
    return folder


def listed(folder: Path) -> dict[str, list[str]]:
    return {path.stem: path.read_text().split() for path in sorted((folder / "ImageSets/Main").iterdir())}


def parted(lists: dict[str, list[str]], *parts: str) -> list[int]:
    """Numbers of the photos whose copy is elsewhere."""
    part_of = {stem: part for part in parts for stem in lists[part]}
    return [number for number in range(10) if part_of.get(f"p{number:02}") != part_of.get(f"z{number:02}")]


def test_copies_stay_in_one_part(cli: Callable[..., Any], data: Path) -> None:
    for seed in range(4):
        done = cli("split", data, "--seed", seed, "--force", "--json")
        assert done.code == 0, done.err
        assert [len(group) for group in done.json["groups"]] == [2] * 10
        assert [part["images"] for part in done.json["splits"].values()] == [28, 4, 8]
        assert parted(listed(data), "train", "val", "test") == []
    said = cli("split", data, "--force").out
    assert "together 20 photos in 10 groups of copies and bursts" in said


def test_nobody_looks_when_told_not_to(cli: Callable[..., Any], data: Path) -> None:
    done = cli("split", data, "--no-group", "--json")
    assert done.json["groups"] is None
    assert parted(listed(data), "train", "val", "test")
    assert "together" not in cli("split", data, "--no-group", "--force").out


def test_a_burst_stays_in_one_part(data: Path) -> None:
    scene = np.asarray(Image.open(data / "p20.jpg")).astype(int)
    for number in range(6):
        shot = scene.copy()
        shot[20 + 5 * number :][:30, 20:70] += 60
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 10:00:{2 * number:02}"
        Image.fromarray(shot.clip(0, 255).astype(np.uint8)).save(data / f"burst{number}.jpg", exif=exif)
        annotation(data / f"burst{number}.xml", [APPLE], size=(128, 96))
    report = split_folder(data)
    burst = {f"burst{number}" for number in range(6)}
    groups = [{path.stem for path in group} for group in report.groups or ()]
    assert any(burst <= group for group in groups)
    assert sum(bool(burst & set(stems)) for part, stems in listed(data).items() if part in TENTHS) == 1


def test_workers_change_nothing(data: Path) -> None:
    for path in data.glob("*.jpg"):
        path.write_bytes(path.read_bytes() + bytes(500_000))
    split_folder(data, jobs=1)
    before = listed(data)
    split_folder(data, jobs=2, force=True)
    assert listed(data) == before


def test_folds_share_out_what_is_not_test(cli: Callable[..., Any], data: Path) -> None:
    done = cli("split", data, "--kfold", 4, "--json")
    assert done.code == 0, done.err
    assert done.json["kfold"] == 4
    lists = listed(data)
    outside = sorted(lists["train"] + lists["val"])
    assert sorted(stem for fold in range(1, 5) for stem in lists[f"fold{fold}_val"]) == outside
    for fold in range(1, 5):
        assert sorted(lists[f"fold{fold}_train"] + lists[f"fold{fold}_val"]) == outside
        assert len(lists[f"fold{fold}_val"]) == 8
        assert 3 <= sum(int(stem[1:]) % 2 for stem in lists[f"fold{fold}_val"]) <= 5
    for number in range(10):
        pair = {f"p{number:02}", f"z{number:02}"}
        assert all(
            pair <= set(stems) or not pair & set(stems) for name, stems in lists.items() if name.startswith("fold")
        )
    scanned = scan_folder(data)
    assert len(scanned.splits["fold1_val"]) == 8
    assert not [finding for finding in scanned.findings if finding.code.startswith("SPL")]


def test_lists_of_folds_do_not_outlive_their_split(cli: Callable[..., Any], data: Path) -> None:
    assert cli("split", data, "--kfold", 3).code == 0
    refused = cli("split", data)
    assert refused.code == 2
    assert "fold3_train.txt" in refused.err
    assert cli("split", data, "--kfold", 2, "--force").code == 0
    assert sorted(name for name in listed(data) if name.startswith("fold")) == [
        "fold1_train",
        "fold1_val",
        "fold2_train",
        "fold2_val",
    ]
    done = cli("split", data, "--force")
    assert done.code == 0
    assert sorted(listed(data)) == ["test", "train", "trainval", "val"]
    assert "removed  fold1_train.txt, fold1_val.txt, fold2_train.txt, fold2_val.txt" in done.out
    (data / "ImageSets/Main/fold7_val.txt").write_text("p00\n")  # a list of the user's own
    done = cli("split", data, "--force", "--json")
    assert [Path(path).name for path in done.json["removed"]] == ["fold7_val.txt"]


@pytest.mark.parametrize("count", [-1, 1])
def test_folds_that_are_none(cli: Callable[..., Any], data: Path, count: int) -> None:
    assert cli("split", data, "--kfold", count).code == 2
    with pytest.raises(ValueError, match="kfold"):
        split_folder(data, kfold=count)


def test_more_folds_than_photos(cli: Callable[..., Any], data: Path) -> None:
    done = cli("split", data, "--kfold", 50)
    assert done.code == 2
    assert "fewer folds: --kfold" in done.err
    assert not (data / "ImageSets").exists()


def one_scene(folder: Path, count: int, *, seed: int = 0, start: int = 0, name: str = "apple") -> None:
    """Frames of one scene, with a little noise."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    scene = np.asarray(Image.open(photo(folder / "scene.jpg", (128, 96), seed=seed))).astype(int)
    (folder / "scene.jpg").unlink()
    for number in range(start, start + count):
        frame = (scene + rng.integers(-6, 7, scene.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(frame).save(folder / f"frame{number:02}.jpg")
        annotation(folder / f"frame{number:02}.xml", [(name, *APPLE[1:])], size=(128, 96))


def said_by_split(report: SplitReport) -> list[tuple[str, str, str]]:
    return [(found.code, found.message, found.remedy) for found in report.findings if found.code.startswith("SPL")]


def test_frames_of_one_scene_are_said_to_be_one_group(cli: Callable[..., Any], tmp_path: Path) -> None:
    one_scene(tmp_path, 40)
    report = split_folder(tmp_path)
    assert [part.images for part in report.splits.values()] == [40, 0, 0]
    found = said_by_split(report)
    assert [code for code, *_ in found] == ["SPL003", "SPL003", "SPL001"]
    for _, message, remedy in found:
        assert "one group of copies or shots of one burst" in message
        assert "--no-group" in remedy
        assert "--test" not in remedy
    done = cli("split", tmp_path, "--force", "--no-group", "--json")
    assert [part["images"] for part in done.json["splits"].values()] == [28, 4, 8]
    assert done.json["findings"] == []


def test_a_class_that_is_one_scene_is_said_to_be(data: Path) -> None:
    one_scene(data, 5, seed=99, name="kiwi")
    found = said_by_split(split_folder(data))
    assert [code for code, *_ in found] == ["SPL001"]
    assert "'kiwi' is in 5 photos (all one group of copies" in found[0][1]
    assert "--no-group" in found[0][2]


def test_a_class_missing_in_train_is_not_cured_by_a_larger_test(tmp_path: Path) -> None:
    part = {"a": ClassCount()}, {"a": ClassCount(1, 1)}, {"a": ClassCount(3, 3)}
    sizes = dict(zip(TENTHS, (Part(2, 0, 2, part[0]), Part(1, 0, 1, part[1]), Part(3, 0, 3, part[2])), strict=True))
    made = Plan({}, sizes, sizes, units=Units(6, {"a": 4}))
    found = {each.code: each.remedy for each in of_plan(tmp_path, made, TENTHS)}
    assert "smaller shares" in found["SPL004"]


def test_a_larger_share_is_asked_for_the_part_that_lacks_a_class(tmp_path: Path) -> None:
    part = {"a": ClassCount(3, 3)}, {"a": ClassCount()}, {"a": ClassCount(1, 1)}
    sizes = dict(zip(TENTHS, (Part(4, 0, 4, part[0]), Part(1, 0, 1, part[1]), Part(2, 0, 2, part[2])), strict=True))
    made = Plan({}, sizes, sizes, units=Units(7, {"a": 4}))
    found = {each.code: each.remedy for each in of_plan(tmp_path, made, TENTHS)}
    assert "--val 0.2" in found["SPL004"]


def test_the_cure_for_empty_folds_is_not_what_just_failed(cli: Callable[..., Any], tmp_path: Path) -> None:
    for number in range(3):
        photo(tmp_path / f"p{number}.jpg", (128, 96), seed=number)
        annotation(tmp_path / f"p{number}.xml", [APPLE], size=(128, 96))
    done = cli("split", tmp_path, "--kfold", 2)
    assert done.code == 2
    assert "label more photos" in done.err
    assert "--kfold" not in done.err


def test_fewer_folds_are_proposed_only_where_they_are_filled(data: Path) -> None:
    with pytest.raises(SsdprepError) as caught:
        split_folder(data, kfold=40)
    fewer = int(re.findall(r"--kfold (\d+)", caught.value.remedy)[0])
    assert split_folder(data, kfold=fewer).kfold == fewer


def test_what_was_drawn_is_trained_on_with_its_photo_in_every_fold(data: Path) -> None:
    shutil.copyfile(data / "p15.jpg", data / "p15-1.jpg")
    shutil.copyfile(data / "p15.xml", data / "p15-1.xml")
    (data / "augmentation.csv").write_text("picture,original\np15-1.jpg,p15.jpg\n")
    split_folder(data, kfold=3, test=0.0)
    lists = listed(data)
    for fold in range(1, 4):
        assert "p15-1" not in lists[f"fold{fold}_val"]
        assert ("p15-1" in lists[f"fold{fold}_train"]) is ("p15" in lists[f"fold{fold}_train"])


def test_a_class_of_one_group_is_trained_on() -> None:
    labels = [{"kiwi"}] * 8 + [{"apple"}] * 92
    part = stratify(labels, TENTHS, [range(8)])
    assert set(part[:8]) == {"train"}
    assert Counter(part) == {"train": 70, "val": 10, "test": 20}
    assert 0 in deal_folds(labels, 4, [range(8)])
    with pytest.raises(SsdprepError, match="fold"):
        deal_folds([{"kiwi"}] * 8, 4, [range(8)])


GROUPED = st.integers(0, 60).flatmap(
    lambda count: st.tuples(
        st.lists(st.sets(st.sampled_from("abcd"), max_size=2), min_size=count, max_size=count),
        st.lists(st.integers(0, 14), min_size=count, max_size=count),
    )
)


@settings(deadline=None)
@given(made=GROUPED)
def test_no_group_is_ever_parted(made: tuple[list[set[str]], list[int]]) -> None:
    labels, owners = made
    groups = [[item for item, mine in enumerate(owners) if mine == owner] for owner in sorted(set(owners)) if owner]
    groups = [group for group in groups if len(group) > 1]
    part = stratify(labels, TENTHS, groups)
    assert len(part) == len(labels)
    assert set(part) <= set(TENTHS)
    assert all(len({part[item] for item in group}) == 1 for group in groups)


@settings(deadline=None)
@given(sizes=st.lists(st.integers(2, 5), max_size=12))
def test_small_groups_leave_parts_their_sizes(sizes: list[int]) -> None:
    count = sum(sizes) + 60
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    groups = [range(start, start + size) for start, size in zip(starts, sizes, strict=True)]
    part = Counter(stratify([{"a"}] * count, TENTHS, groups))
    assert all(abs(part[name] - share * count) <= 1 for name, share in TENTHS.items())
