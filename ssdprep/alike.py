"""Which photos are copies of one another? Fingerprints in, groups out; opens no file.

Small pictures of all pairs are laid over each other at every small shift, as one matrix product; what agrees roughly is
compared closely. docs/likeness.md has the measurements behind every threshold.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import sqrt
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from ssdprep.groups import Groups, joined
from ssdprep.likeness import THUMB, Fingerprint
from ssdprep.record import Track, untracked

COPY = 0.91  # correlation of the small pictures of copies, laid over each other as well as can be
DETAIL = 0.78  # the same of what is left when broad light and shade are taken away
SAME_SCENE = 0.8  # COPY for two shots of a burst: hands and clouds may have moved
BURST = 2.0  # seconds between two shots of a burst
REACH = 20_000  # photos that one is compared with in a larger set: about as long as decoding it takes

_ROUGH = 0.83  # correlation at half the size; what does not reach it is not compared closely
_COARSE, _PART = 16, 12  # sides of the halved picture, and of the part of it that is laid over the other
_UNIT = 256  # length of a picture as a vector of whole numbers: 256 squared is exact in float32, in whatever order
_BLOCK = 64  # photos that are compared with all others at a time: what bounds the memory
_INNER = 24  # side of the part of a whole small picture that is laid over the other: an eighth to either side
_ZOOMS = (1.0, 0.95, 1 / 0.95, 0.9, 1 / 0.9)

Key = TypeVar("Key", bound=Hashable)
Thumb = NDArray[np.int64]
Whole = TypeVar("Whole", NDArray[np.int64], NDArray[np.int32])


class Pair(NamedTuple):
    """Two photos that are copies, by their places in the sequence that was asked about."""

    one: int
    other: int  # the larger
    is_mirrored: bool


class Agreement(NamedTuple):
    """How well two small pictures agree where they are laid over each other best; correlations, -1..1."""

    whole: float
    detail: float  # without broad light and shade


def exact_duplicates(photos: Mapping[Key, Fingerprint]) -> list[tuple[Key, ...]]:
    """Photos that are the same file, byte for byte: groups of two and more, in the order of the photos."""
    groups: dict[bytes, list[Key]] = {}
    for key, photo in photos.items():
        groups.setdefault(photo.digest, []).append(key)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def near_duplicates(
    photos: Mapping[Key, Fingerprint], *, whole: float = COPY, detail: float = DETAIL, track: Track = untracked
) -> list[tuple[Key, ...]]:
    """Groups of copies: of the same bytes, saved again, resized, brightened, shifted or cut a little, or mirrored.

    whole, detail: what the `Agreement` of a pair must reach, above 0 to 1, else ValueError. A photo is in a group if it
    is a copy of one in it. Flat photos belong together only if they are the same bytes. Groups hold two and more, in
    the order of the photos, which decides nothing else up to `REACH` of them; see `copies` for more. A pair takes a
    fifth of a microsecond; memory grows with the number of photos.
    """
    if not (0 < whole <= 1 and 0 < detail <= 1):
        raise ValueError(f"whole and detail must be above 0 and at most 1, not {whole} and {detail}")
    keys = list(photos)
    pairs = copies(list(photos.values()), whole, detail, track=track)
    return joined(keys, [*exact_duplicates(photos), *((keys[pair.one], keys[pair.other]) for pair in pairs)])


def copies(
    photos: Sequence[Fingerprint],
    whole: float = COPY,
    detail: float = DETAIL,
    *,
    reach: int = REACH,
    track: Track = untracked,
) -> Iterator[Pair]:
    """Pairs of copies, of each group as many as hold it together: what is in one group already is not compared again.

    Of photos of equal bytes only the first is compared; flat ones are left out. With more than ``reach`` photos to
    compare, each is compared with so many that follow it, in their order; else all are, in an order of their bytes.
    """
    places = _distinct(photos)
    if len(places) <= reach:
        places.sort(key=lambda place: photos[place].digest)
    groups = Groups(places)
    for one, other, is_mirrored in _suspects([photos[place].thumb for place in places], reach, track):
        mine, yours = places[one], places[other]
        if groups.leader(mine) == groups.leader(yours):
            continue
        found = agreement(_turned(_thumb(photos[mine]), is_mirrored), _thumb(photos[yours]))
        if found.whole >= whole and found.detail >= detail:
            groups.join(mine, yours)
            yield Pair(min(mine, yours), max(mine, yours), is_mirrored)


def all_compared(photos: Mapping[Key, Fingerprint], reach: int = REACH) -> bool:
    """Whether `copies` lays every photo over every other."""
    return len(_distinct(list(photos.values()))) <= reach


def bursts(
    photos: Mapping[Key, Fingerprint], within: float = BURST, likeness: float = SAME_SCENE
) -> list[tuple[Key, ...]]:
    """Shots of one scene within seconds: EXIF times at most ``within`` seconds apart, pictures that agree somewhat.

    Groups of two and more, in the order of the photos. Each shot is compared with those of the seconds before it.
    """
    shots = [(photo.taken, key, photo) for key, photo in photos.items() if photo.taken is not None]
    timed = sorted(shots, key=lambda shot: shot[0])  # of the same moment in the order of the photos
    groups = Groups(photos)
    for place, (moment, key, photo) in enumerate(timed):
        for before in range(place - 1, -1, -1):
            earlier, other, shot = timed[before]
            if moment - earlier > within:
                break
            if groups.leader(key) == groups.leader(other):
                continue
            if agreement(_thumb(shot), _thumb(photo)).whole >= likeness:
                groups.join(other, key)
    return groups.found()


def grouped(photos: Mapping[Key, Fingerprint], *, track: Track = untracked) -> list[tuple[Key, ...]]:
    """Photos that must not be parted: copies and bursts, in groups of two and more, in the order of the photos."""
    return joined(list(photos), [*near_duplicates(photos, track=track), *bursts(photos)])


def agreement(one: Thumb, other: Thumb) -> Agreement:
    """Two small pictures of shape (32, 32), laid over each other at shifts up to an eighth and zooms up to a ninth.

    Either is laid over the other, and the larger numbers count, so that their order does not matter. Sums are of whole
    numbers, and what follows is rounded as IEEE 754 has it, so that every machine finds the same. A picture without
    contrast agrees with none.
    """
    ways = _laid_over(one, other), _laid_over(other, one)
    return Agreement(max(way.whole for way in ways), max(way.detail for way in ways))


def _laid_over(one: Thumb, other: Thumb) -> Agreement:
    """The middle of the other, zoomed, over every part of the one: the best place."""
    laid = _zooms(other.astype(np.uint8).tobytes())
    shifts = THUMB - _INNER + 1
    under = sliding_window_view(one.astype(np.float64), (_INNER, _INNER)).reshape(shifts * shifts, -1)
    over = laid.reshape(len(laid), -1).astype(np.float64)
    count, sums, totals = over.shape[1], under.sum(axis=1)[:, None], over.sum(axis=1)
    squares = np.einsum("ij,ij->i", under, under)[:, None], np.einsum("ij,ij->i", over, over)
    spread = (count * squares[0] - sums**2) * (count * squares[1] - totals**2)
    found = np.where(spread > 0, (count * (under @ over.T) - sums * totals) / np.sqrt(np.maximum(spread, 1)), -1.0)
    place, zoom = divmod(int(found.argmax()), len(laid))
    down, across = divmod(place, shifts)
    detail = _correlation(_details(one[down : down + _INNER, across : across + _INNER]), _details(laid[zoom]))
    return Agreement(float(found[place, zoom]), detail)


def in_place(one: Fingerprint, other: Fingerprint) -> float:
    """Correlation of two photos as they lie, -1..1: near 1 only where boxes of the one fit the other too."""
    return _correlation(_thumb(one), _thumb(other))


def _distinct(photos: Sequence[Fingerprint]) -> list[int]:
    """Places of photos that are not flat, the first of equal bytes."""
    first = {photo.digest: place for place, photo in reversed(list(enumerate(photos))) if not photo.is_flat}
    return sorted(first.values())


def _suspects(thumbs: Sequence[bytes], reach: int, track: Track) -> Iterator[tuple[int, int, bool]]:
    """Pairs that agree roughly at some shift, the first before the second, as they are or the first mirrored.

    reach: how many places the second may be behind the first.
    """
    if len(thumbs) < 2:
        return
    whole = np.frombuffer(b"".join(thumbs), np.uint8).reshape(len(thumbs), _COARSE, 2, _COARSE, 2)
    coarse = whole.sum(axis=(2, 4), dtype=np.int32)
    inner = slice((_COARSE - _PART) // 2, (_COARSE + _PART) // 2)
    split = np.split(coarse[:, inner, inner], range(_BLOCK, len(coarse), _BLOCK))
    parts = np.concatenate([_unit(block) for block in split]).T
    blocks = range(0, len(thumbs), _BLOCK)
    for start in track(blocks, "Comparing photos", len(blocks)):
        rows, against = coarse[start : start + _BLOCK], parts[:, start : start + _BLOCK + reach]
        for is_mirrored in (False, True):
            windows = sliding_window_view(_turned(rows, is_mirrored), (_PART, _PART), axis=(1, 2))
            best = np.full((len(rows), against.shape[1]), -np.inf, dtype=np.float32)
            for down in range(windows.shape[1]):
                for across in range(windows.shape[2]):
                    np.maximum(best, _unit(windows[:, down, across]) @ against, out=best)
            ones, others = np.nonzero(best >= _ROUGH * _UNIT**2)
            for one, other in zip(ones.tolist(), others.tolist(), strict=True):
                if one < other <= one + reach:
                    yield start + one, start + other, is_mirrored


def _unit(pictures: NDArray[np.int32]) -> NDArray[np.float32]:
    """Pictures as rows of whole numbers, zero on average, of length 256: their products are correlations."""
    rows = pictures.reshape(len(pictures), -1).astype(np.int64)
    centred = rows * rows.shape[1] - rows.sum(axis=1, keepdims=True)
    length = np.sqrt((centred * centred).sum(axis=1, keepdims=True).astype(np.float64))
    return np.asarray(np.rint(_UNIT * centred / np.maximum(length, 1)), dtype=np.float32)


@lru_cache(maxsize=4096)  # 23 KB each
def _zooms(thumb: bytes) -> Thumb:
    """The middle of a small picture, at each zoom a part of it that is 24 pixels wide after the zoom: (5, 24, 24)."""
    picture = Image.frombuffer("L", (THUMB, THUMB), thumb, "raw", "L", 0, 1)
    sides = ((THUMB - _INNER / zoom) / 2 for zoom in _ZOOMS)
    boxes = ((edge, edge, THUMB - edge, THUMB - edge) for edge in sides)
    return np.stack(
        [np.asarray(picture.resize((_INNER, _INNER), Image.Resampling.BILINEAR, box=box), np.int64) for box in boxes]
    )


def _details(picture: Thumb) -> Thumb:
    """What differs from the mean of the five by five pixels around; the outer two rows and columns are left out."""
    around = sliding_window_view(picture, (5, 5)).sum(axis=(2, 3))
    return np.asarray(25 * picture[2:-2, 2:-2] - around)


def _correlation(one: Thumb, other: Thumb) -> float:
    spreads = [one.size * int((thumb * thumb).sum()) - int(thumb.sum()) ** 2 for thumb in (one, other)]
    cross = one.size * int((one * other).sum()) - int(one.sum()) * int(other.sum())
    return cross / sqrt(spreads[0] * spreads[1]) if all(spreads) else 0.0


def _turned(pictures: Whole, is_mirrored: bool) -> Whole:
    return pictures[..., ::-1] if is_mirrored else pictures


def _thumb(photo: Fingerprint) -> Thumb:
    return np.frombuffer(photo.thumb, np.uint8).reshape(THUMB, THUMB).astype(np.int64)
