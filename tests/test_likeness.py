"""What photos look like: the same numbers wherever they are computed, copies found, strangers left alone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from folders import photo
from hypothesis import given
from hypothesis import strategies as st
from measure_likeness import CHANGES, found_and_known, photos_of, recall
from PIL import Image

from ssdprep.alike import (
    agreement,
    all_compared,
    bursts,
    copies,
    exact_duplicates,
    grouped,
    in_place,
    near_duplicates,
)
from ssdprep.faults import ImageFault
from ssdprep.groups import joined
from ssdprep.likeness import Fingerprint, fingerprint, fingerprints
from ssdprep.record import Box


def saved(path: Path, pixels: np.ndarray, taken: str = "", fraction: str = "") -> Path:
    exif = Image.Exif()
    if taken:
        exif.get_ifd(0x8769)[0x9003] = taken
    if fraction:
        exif.get_ifd(0x8769)[0x9291] = fraction
    Image.fromarray(pixels).save(path, quality=95, exif=exif)
    return path


def patches(seed: int, size: tuple[int, int] = (320, 240)) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BICUBIC))


def names(groups: list[tuple[Path, ...]]) -> list[list[str]]:
    return [[path.stem for path in group] for group in groups]


def test_a_fingerprint_by_hand(tmp_path: Path) -> None:
    half = np.zeros((64, 64, 3), np.uint8)
    half[:, 32:] = 200
    Image.fromarray(half).save(tmp_path / "half.png")
    found = fingerprint(tmp_path / "half.png")
    assert (found.brightness, found.contrast, found.colour, found.taken) == (100.0, 100.0, 0.0, None)
    assert set(found.thumb[:16]) == {0}
    assert set(found.thumb[16:32]) == {200}
    edge = 62 * 2  # of 62 x 62 values of the Laplacian, two columns are 200 and -200
    assert found.sharpness == pytest.approx(edge * 200**2 / 62**2)
    assert len(found.digest) == 16


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_seen_upright(tmp_path: Path, orientation: int) -> None:
    from make_photos import stored

    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored(patches(1), orientation)).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(patches(1)).save(tmp_path / "upright.png")
    turned, upright = (fingerprint(tmp_path / f"{name}.png") for name in ("turned", "upright"))
    assert in_place(turned, upright) > 0.999


def test_any_number_of_workers_sees_the_same(tmp_path: Path) -> None:
    paths = [photo(tmp_path / f"{number}.jpg", (1600, 1200), seed=number) for number in range(20)]
    for path in paths:
        path.write_bytes(path.read_bytes() + bytes(1_000_000))  # enough to be worth workers
    (tmp_path / "none.jpg").write_bytes(b"no photo")
    asked = {path: (Box(100, 100, 900, 700),) for path in [*paths, tmp_path / "none.jpg"]}
    here, there = (fingerprints(asked, jobs=jobs) for jobs in (1, 2))
    assert here == there
    assert list(here) == paths
    assert all(len(found.crops) == 1 for found in here.values())


def test_a_photo_that_cannot_be_decoded_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    with pytest.raises(ImageFault):
        fingerprint(tmp_path / "a.jpg")
    with pytest.raises(FileNotFoundError):
        fingerprint(tmp_path / "b.jpg")


@pytest.mark.parametrize(
    ("taken", "fraction", "seconds"),
    [
        ("1970:01:02 00:00:01", "", 86401.0),
        ("1970:01:01 00:00:00", "25", 0.25),
        ("    :  :     :  :  ", "", None),
        ("2019:13:45 99:00:00", "", None),
    ],
)
def test_when_the_shutter_was_pressed(tmp_path: Path, taken: str, fraction: str, seconds: float | None) -> None:
    assert fingerprint(saved(tmp_path / "a.jpg", patches(1), taken, fraction)).taken == seconds


def test_copies_are_found_and_strangers_left_alone(tmp_path: Path) -> None:
    for seed in range(30):
        saved(tmp_path / f"s{seed:02}.jpg", patches(seed))
    Image.fromarray(patches(3)).resize((160, 120)).save(tmp_path / "t03.jpg", quality=40)
    Image.fromarray(patches(4)[:, ::-1].copy()).save(tmp_path / "t04.jpg")
    shutil.copyfile(tmp_path / "s05.jpg", tmp_path / "t05.jpg")
    seen = fingerprints(photos_of(tmp_path))
    assert names(near_duplicates(seen)) == [["s03", "t03"], ["s04", "t04"], ["s05", "t05"]]
    assert names(exact_duplicates(seen)) == [["s05", "t05"]]
    order = list(seen)
    mirrored = {order[pair.other].stem: pair.is_mirrored for pair in copies(list(seen.values()))}
    assert mirrored == {"t03": False, "t04": True}


def test_walls_and_skies_are_no_copies(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(12):
        wall = 90 + 10 * number + rng.normal(0, 3, (240, 320, 3))
        saved(tmp_path / f"wall{number}.jpg", wall.clip(0, 255).astype(np.uint8))
    seen = fingerprints(photos_of(tmp_path))
    assert all(found.is_flat for found in seen.values())
    assert near_duplicates(seen) == []
    shutil.copyfile(tmp_path / "wall3.jpg", tmp_path / "wall3-copy.jpg")
    assert names(grouped(fingerprints(photos_of(tmp_path)))) == [["wall3-copy", "wall3"]]


def test_a_burst_is_told_by_time_and_look(tmp_path: Path) -> None:
    wide = patches(1, (400, 240))
    noise = np.random.default_rng(0).integers(-40, 40, (60, 80, 1))
    for number, taken in enumerate(("10:00:00", "10:00:02", "10:00:04", "10:00:09")):
        shot = wide[:, 10 * number : 10 * number + 320].astype(int)
        shot[60 + 20 * number :][:60, 100:180] += noise  # somebody walks through
        saved(tmp_path / f"shot{number}.jpg", shot.clip(0, 255).astype(np.uint8), f"2024:05:01 {taken}")
    saved(tmp_path / "stranger.jpg", patches(2), "2024:05:01 10:00:02")
    assert names(bursts(fingerprints(photos_of(tmp_path)))) == [["shot0", "shot1", "shot2"]]


def test_nothing_one_and_wrong_calls(tmp_path: Path) -> None:
    one = {tmp_path: fingerprint(saved(tmp_path / "a.jpg", patches(1)))}
    for few in ({}, one):
        seen: Mapping[Path, Fingerprint] = few
        assert near_duplicates(seen) == bursts(seen) == grouped(seen) == exact_duplicates(seen) == []
    for value in (0.0, 1.1):
        with pytest.raises(ValueError, match="above 0"):
            near_duplicates(one, whole=value)


def test_the_same_pairs_in_blocks_and_at_once(tmp_path: Path) -> None:
    first = fingerprint(saved(tmp_path / "a.jpg", patches(0)))
    seen = {}
    for number in range(200):
        grey = Image.fromarray(patches(number % 150, (32, 32))).convert("L")
        seen[number] = replace(first, digest=bytes([number]), thumb=grey.tobytes())
    assert near_duplicates(seen) == [(number, number + 150) for number in range(50)]


def test_in_a_large_set_photos_are_compared_with_those_that_follow(tmp_path: Path) -> None:
    first = fingerprint(saved(tmp_path / "a.jpg", patches(0)))
    pictures = [Image.fromarray(patches(seed, (32, 32))).convert("L").tobytes() for seed in (1, 2, 1, 3, 4, 5, 2, 6)]
    photos = [replace(first, digest=bytes([9 - n]), thumb=thumb) for n, thumb in enumerate(pictures)]
    assert [tuple(pair[:2]) for pair in copies(photos, reach=3)] == [(0, 2)]
    assert sorted(tuple(pair[:2]) for pair in copies(photos)) == [(0, 2), (1, 6)]
    assert all_compared(dict(enumerate(photos)))
    assert not all_compared(dict(enumerate(photos)), reach=7)
    assert all_compared({0: photos[0], 1: photos[0], 2: replace(photos[1], contrast=0.0)}, reach=1)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0.8, 1.0))
def test_likeness_does_not_depend_on_the_order(one: int, other: int, share: float) -> None:
    side = round(64 * share)
    whole = np.asarray(Image.fromarray(patches(one, (64, 64))).convert("L"))
    mine = np.asarray(Image.fromarray(whole).resize((32, 32))).astype(np.int64)
    for cut in (whole[:side, 64 - side :], patches(other, (64, 64))[:, :, 0]):
        yours = np.asarray(Image.fromarray(cut).resize((32, 32))).astype(np.int64)
        assert agreement(mine, yours) == agreement(yours, mine)


def test_groups_do_not_depend_on_the_names(real_data: Path, tmp_path: Path) -> None:
    chosen = photos_of(real_data / "raccoon")[::4]
    for number, path in enumerate(chosen):
        image = Image.open(path).convert("RGB")
        for letter, alter in zip("ab", CHANGES["cut to 90%"], strict=True):
            alter(image).save(tmp_path / f"{number}{letter}.jpg")
    seen = fingerprints(photos_of(tmp_path))
    forward, backward = (
        {frozenset(group) for group in grouped(dict(each))} for each in (seen.items(), reversed(seen.items()))
    )
    assert forward == backward
    assert len(forward) >= 30


def test_photos_of_one_group_are_not_compared_again(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    scene = patches(1, (32, 32))[:, :, 0].astype(int)
    first = fingerprint(saved(tmp_path / "a.jpg", patches(0)))
    frames = {}
    for number in range(60):
        grey = (scene + noise.integers(-2, 3, scene.shape)).clip(0, 255).astype(np.uint8)
        frames[number] = replace(first, digest=bytes([number]), thumb=grey.tobytes())
    assert len(list(copies(list(frames.values())))) == 59
    assert grouped(frames) == [tuple(range(60))]


@given(seed=st.integers(0, 10**6), dy=st.integers(-4, 4), dx=st.integers(-4, 4))
def test_a_shift_is_undone(seed: int, dy: int, dx: int) -> None:
    whole = np.asarray(Image.fromarray(patches(seed, (48, 48))).convert("L")).astype(np.int64)
    found = agreement(whole[8 + dy : 40 + dy, 8 + dx : 40 + dx], whole[8:40, 8:40])
    assert found.whole == pytest.approx(1)
    assert found.detail == pytest.approx(1)


@given(st.lists(st.sets(st.integers(0, 20), min_size=1), max_size=8))
def test_joined_groups_share_no_member(groups: list[set[int]]) -> None:
    made = joined(range(21), [sorted(group) for group in groups])
    members = [member for group in made for member in group]
    assert len(members) == len(set(members))
    assert all(len(group) > 1 and list(group) == sorted(group) for group in made)
    assert all(any(group <= set(whole) for whole in made) for group in groups if len(group) > 1)


@pytest.mark.parametrize(("name", "missed"), [("cards", 0), ("raccoon", 1), ("bccd", 1)])
def test_of_real_photos_only_copies_are_grouped(real_data: Path, name: str, missed: int) -> None:
    found, known = found_and_known(real_data / name)
    assert found <= known
    assert len(known - found) == missed


def test_the_sample_has_no_copies(sample: Path) -> None:
    assert grouped(fingerprints(photos_of(sample / "photos"))) == []


SLIGHT = ("saved", "half", "30%", "40%", "mirrored", "cut to 98%")


@pytest.mark.parametrize(
    "change", [change for change in CHANGES if change not in {"cut to 80%", "turned by 5 degrees"}]
)
def test_changed_copies_of_real_photos_are_found(real_data: Path, tmp_path: Path, change: str) -> None:
    chosen = [path for name in ("cards", "raccoon", "bccd") for path in photos_of(real_data / name)[::20]]
    assert recall(chosen, change, tmp_path) >= (1 if change.startswith(SLIGHT) else 0.7)
