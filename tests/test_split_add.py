"""split --add: photos that were labelled after the split come to its parts, and nothing that is there moves."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from folders import APPLE, Labelled, annotation, pair, photo
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ssdprep.scan import scan_folder
from ssdprep.split import split_folder
from ssdprep.standing import standing_shares
from ssdprep.stratify import stratify, top_up

Cli = Callable[..., Any]
PARTS = ("train", "val", "test")
TENTHS = {"train": Fraction(7, 10), "val": Fraction(1, 10), "test": Fraction(2, 10)}
MILK: Labelled = ("milk", 0, 0, 20, 20)


def more(folder: Path, start: int, count: int) -> None:
    """Photos p00 ...; every other one shows milk too."""
    for number in range(start, start + count):
        pair(folder, f"p{number:02}", [APPLE, MILK] if number % 2 else [APPLE])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """20 photos, split, and 10 that were labelled later."""
    folder = tmp_path / "my photos"
    more(folder, 0, 20)
    split_folder(folder)
    more(folder, 20, 10)
    return folder


def lists(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted((folder / "ImageSets/Main").iterdir())}


def part_of(folder: Path) -> dict[str, str]:
    found = [(line, part) for part in PARTS for line in lists(folder)[part].decode().split()]
    assert len(dict(found)) == len(found)
    return dict(found)


def codes(done: Any) -> list[str]:
    return [finding["code"] for finding in done.json["findings"]]


def test_audit_tells_of_photos_in_no_split_and_add_cures_it(cli: Cli, data: Path) -> None:
    told = cli("audit", data, "--no-pixels", "--json")
    (finding,) = (found for found in told.json["findings"] if found["code"] == "AUD008")
    assert (told.code, finding["severity"], finding["path"]) == (0, "warning", str(data))
    said = "10 labelled photos are in no split: they are neither trained on nor measured: p20.jpg, p21.jpg, "
    assert finding["message"].startswith(said)
    assert finding["message"].endswith(" and 5 more")
    assert finding["remedy"] == f"ssdprep split '{data}' --add"
    assert f"next:    {finding['remedy']}\n" in cli("audit", data, "--no-pixels").out

    before, stood = lists(data), part_of(data)
    done = cli("split", data, "--add")
    assert (done.code, done.err) == (0, "")
    assert "added    10 photos: 7 to train, 1 to val, 2 to test; all others stay where they are\n" in done.out
    assert f"wrote    {data}/ImageSets/Main" in done.out
    after = part_of(data)
    assert {stem: after[stem] for stem in stood} == stood
    assert Counter(after.values()) == {"train": 21, "val": 3, "test": 6}
    assert all(lists(data)[name].startswith(lines) for name, lines in before.items())
    assert sorted(lists(data)["trainval"].split()) == sorted(lists(data)["train"].split() + lists(data)["val"].split())
    for part, count in (("train", 3), ("val", 0), ("test", 1)):  # of milk, of the new ones
        assert sum(int(s[1:]) % 2 for s, p in after.items() if p == part and s not in stood) >= count
    assert "AUD008" not in codes(cli("audit", data, "--no-pixels", "--json"))

    whole = lists(data)
    again = cli("split", data, "--add")
    assert "added    nothing" in again.out
    assert "wrote" not in again.out
    assert lists(data) == whole


def test_the_same_seed_gives_the_same_lists(cli: Cli, data: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(data, tmp_path / "other"))
    done = cli("split", data, "--add", "--seed", 5, "--jobs", 1, "--json")
    assert (done.json["added"], done.json["seed"]) == ({"train": 7, "val": 1, "test": 2}, 5)
    assert cli("split", other, "--add", "--seed", 5, "--jobs", 2).code == 0
    assert lists(data) == lists(other)


def test_what_stands_in_the_way_names_add_first(cli: Cli, data: Path, tmp_path: Path) -> None:
    done = cli("split", data)
    assert done.code == 2
    assert f"add photos that are in no part: ssdprep split '{data}' --add; or replace it" in done.err
    assert "--force" in done.err
    for verb, code in (("tfrecord", "TFR002"), ("augment", "AUG001")):
        words = ("--flip-h",) if verb == "augment" else ()
        told = cli(verb, data, "--out", tmp_path / verb, *words, "--json")
        cures = {found["remedy"] for found in told.json["findings"] if found["code"] == code}
        assert cures == {f"ssdprep split '{data}' --add"}


def test_a_copy_and_a_shot_of_a_burst_come_to_the_part_of_theirs(cli: Cli, data: Path) -> None:
    stood = part_of(data)
    held = [stem for part in ("test", "val") for stem, mine in stood.items() if mine == part]
    for number, stem in enumerate(held):
        with Image.open(data / f"{stem}.jpg") as opened:
            opened.save(data / f"copy{number}.jpg", quality=60)
        annotation(data / f"copy{number}.xml", [APPLE])
    done = cli("split", data, "--add", "--json")
    after = part_of(data)
    assert [after[f"copy{number}"] for number in range(len(held))] == [stood[stem] for stem in held]
    assert done.json["added"]["test"] >= 4
    assert {stem: after[stem] for stem in stood} == stood
    assert not {"DUP003", "DUP005"} & set(codes(cli("audit", data, "--json")))


def test_shares_that_are_asked_for_are_those_of_all_photos(cli: Cli, data: Path) -> None:
    done = cli("split", data, "--add", "--val", 0.3, "--test", 0.2, "--json")
    assert done.json["added"] == {"train": 1, "val": 7, "test": 2}
    assert [part["images"] for part in done.json["splits"].values()] == [15, 9, 6]


def test_a_share_that_new_photos_cannot_fill_is_said(cli: Cli, data: Path) -> None:
    done = cli("split", data, "--add", "--val", 0.5, "--json")
    assert done.json["added"] == {"train": 0, "val": 9, "test": 1}
    (found,) = done.json["findings"]
    assert (found["code"], found["message"]) == ("SPL003", "val has 11 of 30 photos, not its share of 50%")
    assert found["remedy"].endswith(f"ssdprep split '{data}' --force")


def test_lists_by_hand_keep_every_byte(cli: Cli, tmp_path: Path) -> None:
    more(tmp_path, 0, 12)
    main = tmp_path / "ImageSets/Main"
    main.mkdir(parents=True)
    (main / "train.txt").write_bytes(b"p00\r\np01\r\np02\r\ngone\r\np03\r\np04\r\np05\r\np06\r\np07 1")
    (main / "test.txt").write_bytes(b"p08.jpg\np09")
    done = cli("split", tmp_path, "--add", "--json")
    assert codes(done) == ["SPL011"]
    assert lists(tmp_path)["train"].startswith(b"p00\r\np01\r\np02\r\ngone\r\np03\r\np04\r\np05\r\np06\r\np07 1\r\n")
    assert lists(tmp_path)["test"].startswith(b"p08.jpg\np09")
    assert lists(tmp_path)["val"] == b""
    splits = scan_folder(tmp_path).splits
    assert len(splits["train"]) + len(splits["test"]) == 12
    assert set(splits["trainval"]) == set(splits["train"])


def test_one_by_one_the_shares_stay(tmp_path: Path) -> None:
    more(tmp_path, 0, 10)
    split_folder(tmp_path, group=False)
    for number in range(10, 40):
        more(tmp_path, number, 1)
        split_folder(tmp_path, add=True, group=False)
    assert {part: len(records) for part, records in scan_folder(tmp_path).splits.items() if part in PARTS} == {
        "train": 28, "val": 4, "test": 8
    }  # fmt: skip


def test_a_new_class_is_trained_on_while_it_is_rare(cli: Cli, data: Path) -> None:
    for number in range(2):
        pair(data, f"kiwi{number}", [("kiwi", 1, 1, 20, 20)])
    done = cli("split", data, "--add", "--json")
    assert "SPL001" in codes(done)
    assert {part_of(data)[f"kiwi{number}"] for number in range(2)} == {"train"}


def test_lists_of_folds_go_when_photos_come(cli: Cli, data: Path) -> None:
    shutil.rmtree(data / "ImageSets")
    for number in range(20, 30):
        (data / f"p{number}.xml").rename(data / f"p{number}.later")
    assert cli("split", data, "--kfold", 2).code == 0
    assert cli("split", data, "--add").code == 0
    assert "fold1_val" in lists(data)  # nothing was added
    for number in range(20, 30):
        (data / f"p{number}.later").rename(data / f"p{number}.xml")
    done = cli("split", data, "--add")
    assert "removed  fold1_train.txt, fold1_val.txt, fold2_train.txt, fold2_val.txt" in done.out
    assert "--kfold writes them anew" in done.out
    done = cli("split", data, "--add", "--kfold", 3)
    assert "added    nothing" in done.out
    folds = lists(data)
    outside = sorted(folds["train"].split() + folds["val"].split())
    assert sorted(b" ".join(folds[f"fold{fold}_val"] for fold in (1, 2, 3)).split()) == outside


def test_drawn_pictures_come_with_their_photo(cli: Cli, data: Path) -> None:
    stood = part_of(data)
    train, test = (next(stem for stem, mine in stood.items() if mine == part) for part in ("train", "test"))
    for stem in (train, test):
        for suffix in ("jpg", "xml"):
            shutil.copyfile(data / f"{stem}.{suffix}", data / f"{stem}-1.{suffix}")
    (data / "augmentation.csv").write_text(f"picture,original\n{train}-1.jpg,{train}.jpg\n{test}-1.jpg,{test}.jpg\n")
    told = next(f for f in cli("audit", data, "--no-pixels", "--json").json["findings"] if f["code"] == "AUD008")
    assert told["message"].startswith("10 labelled photos")
    done = cli("split", data, "--add", "--json")
    assert done.json["held_out"] == 1
    assert part_of(data)[f"{train}-1"] == "train"
    assert f"{test}-1" not in part_of(data)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda root: shutil.rmtree(root / "ImageSets"), "has no split to add to\n  try: make one: ssdprep split"),
        (
            lambda root: (root / "ImageSets/Main/val.txt").write_bytes(b"\xff\xfe"),
            "which photos are in a part",
        ),
        (lambda root: pair(root, "other/p00"), "write the path, not only the name"),
        (
            lambda root: [(root / f"ImageSets/Main/{name}.txt").unlink() for name in ("train", "trainval", "val")],
            "--add --val 0.1 --test 0.2",
        ),
    ],
)
def test_where_it_is_not_clear_what_stands_nothing_is_written(
    cli: Cli, data: Path, build: Callable[[Path], object], said: str
) -> None:
    for suffix in ("jpg", "xml"):  # its name alone still tells which photo is meant
        (data / "first").mkdir(exist_ok=True)
        (data / f"p00.{suffix}").rename(data / f"first/p00.{suffix}")
    build(data)
    before = lists(data) if (data / "ImageSets").exists() else None
    done = cli("split", data, "--add")
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert (lists(data) if (data / "ImageSets").exists() else None) == before


@pytest.mark.parametrize("words", [("--force",), ("--out", "lists")])
def test_add_goes_with_neither_force_nor_out(cli: Cli, data: Path, words: tuple[str, ...]) -> None:
    done = cli("split", data, "--add", *words)
    assert done.code == 2
    assert words[0] in done.err
    with pytest.raises(ValueError, match="add"):
        split_folder(data, add=True, force=True)


def test_round_shares_are_what_is_meant() -> None:
    shares = standing_shares(["train"] * 59 + ["val"] * 8 + ["test"] * 17)
    assert shares == {"val": Fraction(1, 10), "test": Fraction(1, 5)}
    assert standing_shares(["train"] * 193 + ["val"] * 7) == {"val": Fraction(7, 200), "test": 0}


@settings(deadline=None)
@given(
    has=st.lists(st.integers(0, 60), min_size=3, max_size=3),
    labels=st.lists(st.sets(st.sampled_from("abcd"), max_size=3), max_size=30),
)
def test_what_is_settled_stays_and_parts_fill_up(has: list[int], labels: list[set[str]]) -> None:
    settled = dict(enumerate(part for part, count in zip(PARTS, has, strict=True) for _ in range(count)))
    everything = [{"a"}] * len(settled) + labels
    part = stratify(everything, TENTHS, settled=settled)
    assert [part[item] for item in settled] == list(settled.values())
    assert set(part) <= set(PARTS)
    sizes = top_up(dict(zip(PARTS, has, strict=True)), len(labels), TENTHS)
    assert sum(sizes.values()) == len(labels)
    total = Counter(name for names in everything for name in names)
    if not any(count <= 2 for count in total.values()) and settled:
        fresh = Counter(part[len(settled) :])
        assert {name: fresh[name] for name in PARTS} == sizes


def test_a_photo_in_trainval_only_is_trained_on(cli: Cli, data: Path) -> None:
    for name in ("train", "val"):
        (data / f"ImageSets/Main/{name}.txt").unlink()
    held = lists(data)["trainval"].split()
    done = cli("split", data, "--add", "--json")
    assert done.code == 0
    assert sum(done.json["added"].values()) == 10  # not those that trainval names
    assert set(held) <= set(lists(data)["train"].split())


def test_photos_without_labels_stay_out(cli: Cli, data: Path) -> None:
    photo(data / "bare.jpg", seed=77)
    (data / "p29.xml").write_text("")
    done = cli("split", data, "--add", "--json")
    assert (done.code, done.json["unlabelled"], done.json["unusable"]) == (1, 1, 1)
    assert sum(done.json["added"].values()) == 9
    assert not {"bare", "p29"} & part_of(data).keys()
