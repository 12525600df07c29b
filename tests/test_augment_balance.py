"""`ssdprep augment --balance`: rare classes catch up, by more pictures of the photos that hold them."""

from __future__ import annotations

import csv
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_labelled import add_photo, contents

from ssdprep import augment_folder, scan_folder
from ssdprep.augment import Recipe
from ssdprep.balance import Plan, imbalance, plan
from ssdprep.record import Box

MIRRORED = Recipe(flip_h=True)  # loses no box
APPLE, FIG = Box(10, 10, 40, 30), Box(50, 34, 80, 60)


@pytest.fixture
def data(tmp_path):
    """For training: 12 apples on 6 photos, 2 figs on 2 others, 1 fig beside 3 apples; for val and test 1 fig each."""
    folder = tmp_path / "data"
    for number in range(6):
        add_photo(folder, f"apples{number}.jpg", ("apple", APPLE), ("apple", FIG))
    add_photo(folder, "fig0.jpg", ("fig", FIG))
    add_photo(folder, "fig1.jpg", ("fig", APPLE))
    add_photo(folder, "both.jpg", ("fig", FIG), *[("apple", Box(4 + 20 * n, 4, 20 + 20 * n, 30)) for n in range(3)])
    for name in ("val", "test"):
        add_photo(folder, f"{name}.jpg", ("fig", FIG))
    (folder / "ImageSets/Main").mkdir(parents=True)
    train = [path.stem for path in folder.glob("*.jpg") if path.stem not in ("val", "test")]
    for name, stems in (("train", sorted(train)), ("val", ["val"]), ("test", ["test"])):
        (folder / f"ImageSets/Main/{name}.txt").write_text("".join(f"{stem}\n" for stem in stems))
    return folder


def copies_of(out):
    with (out / "augmentation.csv").open(newline="") as file:
        return Counter(row["source"].removesuffix(".jpg") for row in csv.DictReader(file))


def test_rare_classes_catch_up_from_their_own_photos(cli, data, tmp_path):
    done = cli("augment", data, "--flip-h", "--copies", 0, "--balance", 2, "--json")
    assert done.code == 0, done.err
    report = done.json
    assert report["for_training"] == {"apple": {"before": 15, "after": 15}, "fig": {"before": 3, "after": 8}}
    assert report["balance"] == {"asked": 2, "before": 5, "after": 15 / 8}
    assert report["findings"] == []
    copies = copies_of(tmp_path / "data-augmented")
    assert set(copies) == {"fig0", "fig1"}  # the photo with three apples beside its fig would bring them along
    assert sorted(copies.values()) == [2, 3]  # evenly
    found = Counter(t.name for r in scan_folder(tmp_path / "data-augmented").splits["train"] for t in r.objects)
    assert found == {"apple": 15, "fig": 8}


def test_copies_come_first_and_the_balance_counts_them(data):
    report = augment_folder(data, recipe=MIRRORED, copies=1, balance=2, jobs=1)
    assert report.for_training == {"apple": (15, 30), "fig": (3, 15)}
    copies = copies_of(report.out)
    assert set(copies) == {"both", "fig0", "fig1", *(f"apples{number}" for number in range(6))}
    assert {copies[name] for name in copies if not name.startswith("fig")} == {1}
    assert abs(copies["fig0"] - copies["fig1"]) <= 1


def test_no_photo_is_drawn_from_without_end_and_that_is_said(cli, data, tmp_path):
    done = cli("augment", data, "--flip-h", "--copies", 0, "--balance", 1, "--at-most", 3, "--json")
    assert done.code == 0
    assert max(copies_of(tmp_path / "data-augmented").values()) == 3
    assert done.json["for_training"]["fig"] == {"before": 3, "after": 9}
    assert [finding["code"] for finding in done.json["findings"]] == ["AUG003"]
    finding = done.json["findings"][0]
    assert "1 'fig' for 1.67 'apple'" in finding["message"]
    assert "3 pictures" in finding["message"]
    assert "--at-most 6" in finding["remedy"]


def test_a_class_that_never_comes_alone_is_said(tmp_path):
    for number in range(3):
        figs = [("fig", FIG)] * (number == 0)
        add_photo(tmp_path / "data", f"{number}.jpg", *figs, *[("apple", Box(4, 4, 20, 20 + n)) for n in range(4)])
    report = augment_folder(tmp_path / "data", recipe=MIRRORED, copies=0, balance=2, jobs=1)
    finding = next(finding for finding in report.findings if finding.code == "AUG004")
    assert "would bring as many 'apple' with them" in finding.message
    assert "fewer 'apple'" in finding.remedy
    assert re.search(r"--balance \d", finding.remedy)
    fig, apple = report.for_training["fig"], report.for_training["apple"]
    assert apple[1] / fig[1] < apple[0] / fig[0]  # as near as the photos allow


def test_what_is_balanced_already_gets_nothing_more(data):
    report = augment_folder(data, recipe=MIRRORED, copies=0, balance=9, jobs=1)
    assert (report.pictures, report.findings) == (0, ())
    assert report.photos == 11


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_jobs(cli, data, tmp_path):
    made = {}
    for name, *options in (("a", "--jobs", 1), ("b", "--jobs", 2), ("c", "--jobs", 1, "--seed", 1)):
        words = ("--rotate", 40, "--translate", 0.3, "--balance", 1.5, "--out", tmp_path / name, *options)
        done = cli("augment", data, *words)
        assert done.code == 0, done.err
        made[name] = contents(tmp_path / name)
    assert made["a"] == made["b"]
    assert made["a"] != made["c"]


def test_the_plan_counts_boxes_that_leave_the_picture(data):
    report = augment_folder(data, recipe=Recipe(translate=0.6), copies=0, balance=2, at_most=50, jobs=1)
    apple, fig = (report.for_training[name][1] for name in ("apple", "fig"))
    assert report.dropped > 0
    assert apple / fig <= 2
    assert apple / (fig - 1) > 2  # and no picture more than it takes


@pytest.mark.parametrize(
    "words",
    [
        ("--copies", 0),
        ("--balance", 0.5),
        ("--balance", "nan"),
        ("--at-most", 0),
        ("--at-most", 3),
        ("--copies", 4, "--balance", 2, "--at-most", 3),
        ("--copies", 11, "--balance", 2),
    ],
)
def test_wrong_words_are_refused(cli, data, tmp_path, words):
    done = cli("augment", data, "--flip-h", *words)
    assert done.code == 2
    assert words[0] in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "data-augmented").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"copies": 0},
        {"balance": 0.5},
        {"at_most": 0},
        {"balance": float("nan")},
        {"copies": 4, "balance": 2, "at_most": 3},
    ],
)
def test_wrong_calls_are_refused(data, wrong):
    with pytest.raises(ValueError, match="at least"):
        augment_folder(data, recipe=MIRRORED, **wrong)


PHOTO = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 9), max_size=3)


@given(
    photos=st.lists(PHOTO, max_size=12),
    ratio=st.floats(1, 20),
    copies=st.integers(0, 2),
    at_most=st.integers(2, 12),
)
@settings(max_examples=300, deadline=None)
def test_a_plan_never_makes_it_worse_and_keeps_its_limits(photos, ratio, copies, at_most):
    lots = [number / 100 for number in range(len(photos))]
    settled = plan(photos, lambda photo, copy: photos[photo], ratio, copies=copies, at_most=at_most, lots=lots)
    assert len(settled.copies) == len(photos)
    assert all(copies <= number <= at_most for number in settled.copies)

    def total(numbers):
        return sum(
            (
                Counter(dict.fromkeys(p, 0) | {k: v * (1 + n) for k, v in p.items()})
                for p, n in zip(photos, numbers, strict=True)
            ),
            Counter(),
        )

    before, after = total([copies] * len(photos)), total(settled.copies)
    behind = {name for name in after if after[name] * ratio < max(after.values())}
    assert {short.name for short in settled.short} == behind
    if not settled.short:
        assert imbalance(after) <= ratio
    if imbalance(before) <= ratio:
        assert settled.copies == (copies,) * len(photos)


def test_a_plan_with_more_copies_than_it_may_draw_is_a_wrong_call():
    with pytest.raises(ValueError, match="copies must be in"):
        plan([{"a": 1}], lambda photo, copy: {"a": 1}, 2, copies=3, at_most=2, lots=[0.5])


def test_equal_photos_share_the_work():
    photos = [{"a": 1}] * 40 + [{"b": 1}] * 4
    settled = plan(photos, lambda photo, copy: photos[photo], 2, copies=0, at_most=10, lots=[0.5] * 44)
    assert sum(settled.copies) == 16
    assert settled.copies[40:] == (4, 4, 4, 4)
    assert settled.short == ()


def test_a_photo_with_more_of_a_rare_thing_comes_first_unless_it_would_be_too_much():
    photos = [{"a": 8}, {"b": 1}, {"b": 3}]
    assert plan(photos, lambda photo, copy: photos[photo], 1, copies=0, at_most=9, lots=[0] * 3).copies == (0, 1, 1)


def test_a_picture_that_lost_its_rare_thing_does_not_end_the_work():
    photos = [{"a": 8}, {"b": 1}]
    settled = plan(photos, lambda _, copy: {"b": copy % 2}, 2, copies=0, at_most=10, lots=[0] * 2)
    assert settled == Plan((0, 5), ())
