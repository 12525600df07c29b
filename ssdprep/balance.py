"""Which photos to draw more pictures from, so that rare classes catch up with frequent ones. Knows no files."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from itertools import product
from typing import NamedTuple

Counts = Mapping[str, int]  # boxes of each class
_STEP = 1.1  # by which the aim is lowered where it cannot be reached
_Entry = tuple[float, float, int, float]  # minus its rank, its lot, the photo, what one picture of it is worth


class Short(NamedTuple):
    """A class that stays rarer than asked for."""

    name: str
    frequent: str  # the most frequent class
    ratio: float  # boxes of that one for one of this one
    is_capped: bool  # its photos gave all the pictures they may; else more of them would bring as many of the other


@dataclass(frozen=True, slots=True)
class Plan:
    """How many pictures to draw from each photo, and the classes for which that is not enough."""

    copies: tuple[int, ...]
    short: tuple[Short, ...]


def imbalance(counts: Counts) -> float:
    """Boxes of the most frequent class for one of the rarest; 1 where there is no class."""
    return max(counts.values(), default=1) / min(counts.values(), default=1)


def plan(
    photos: Sequence[Counts],
    boxes_of: Callable[[int, int], Counts],
    ratio: float,
    *,
    copies: int,
    at_most: int,
    lots: Sequence[float],
) -> Plan:
    """``copies`` of each photo, and more of some, until no class has more than ``ratio`` boxes for one of another.

    photos: the boxes on each. boxes_of: those still on picture number so and so (from 1) of a photo. at_most: pictures
    of one photo. lots: settle ties, one for each photo.

    Always helps the class that is furthest behind, by the photo that is worth most for it: its boxes of that class less
    its share of the most frequent one, divided by the pictures it gave already, so that the work is spread as seats
    are by the method of highest averages (D'Hondt 1882). A picture that helps one class less than it harms the others
    is not drawn. Where no photo is worth anything at ``ratio``, the aim is lowered step by step, so that the classes
    come as near to it as the photos allow.
    """
    if not ratio >= 1:
        raise ValueError(f"ratio must be at least 1, not {ratio}")
    if not 0 <= copies <= at_most:
        raise ValueError(f"copies must be in 0..at_most, that is 0..{at_most}, not {copies}")
    drawn = [copies] * len(photos)
    counts = sum((Counter(boxes) for boxes in photos), Counter[str]())
    for photo, copy in product(range(len(photos)), range(1, copies + 1)):
        counts.update(boxes_of(photo, copy))
    aim, lack = ratio, _lack(counts, ratio)
    while lack and aim < imbalance(counts):
        before, queues = lack, dict[tuple[str, str], list[_Entry]]()
        while queue := _furthest(queues, counts, photos, aim, drawn, copies, at_most, lots):
            photo = queue[0][2]
            if _lack(counts + Counter(photos[photo]), ratio) < lack:
                drawn[photo] += 1
                counts.update(boxes_of(photo, drawn[photo]))
                lack = _lack(counts, ratio)
            else:
                heappop(queue)
        if lack >= before:  # else those that did harm a while ago may help now
            aim *= _STEP
    return Plan(tuple(drawn), _short(counts, photos, drawn, ratio, at_most))


def _furthest(
    queues: dict[tuple[str, str], list[_Entry]],
    counts: Counts,
    photos: Sequence[Counts],
    aim: float,
    drawn: Sequence[int],
    copies: int,
    at_most: int,
    lots: Sequence[float],
) -> list[_Entry]:
    """The queue of the class that is furthest behind among those that a photo can help; empty where there is none."""
    frequent = _most_frequent(counts)
    for name in _behind(counts, aim):
        if (name, frequent) not in queues:
            queues[name, frequent] = _queue(photos, name, frequent, aim, lots)
        queue = queues[name, frequent]
        _settle(queue, drawn, copies, at_most)
        if queue:
            return queue
    return []


def _most_frequent(counts: Counts) -> str:
    return max(counts, key=lambda name: (counts[name], name))


def _behind(counts: Counts, ratio: float) -> list[str]:
    """Classes that are too rare, the rarest first."""
    most = max(counts.values(), default=0)
    return sorted((name for name in counts if counts[name] * ratio < most), key=lambda name: (counts[name], name))


def _lack(counts: Counts, ratio: float) -> float:
    """How far all classes are behind together: the sum of the logarithms of the factors that they lack."""
    most = max(counts.values(), default=0)
    lacks = (math.log(most / (ratio * counts[name])) for name in _behind(counts, ratio))
    return round(math.fsum(lacks), 9)  # rounded: the same on every machine


def _queue(photos: Sequence[Counts], name: str, frequent: str, ratio: float, lots: Sequence[float]) -> list[_Entry]:
    """The photos that help one class against another, as a heap."""
    worth = ((photo, boxes.get(name, 0) - boxes.get(frequent, 0) / ratio) for photo, boxes in enumerate(photos))
    queue = [(-gain, lots[photo], photo, gain) for photo, gain in worth if gain > 0]
    heapify(queue)
    return queue


def _settle(queue: list[_Entry], drawn: Sequence[int], copies: int, at_most: int) -> None:
    """Bring the first to the front: pictures drawn since a photo was queued lower its rank."""
    while queue:
        rank, lot, photo, gain = queue[0]
        now = -gain / (1 + drawn[photo] - copies)
        if drawn[photo] >= at_most:
            heappop(queue)
        elif now > rank:
            heapreplace(queue, (now, lot, photo, gain))
        else:
            return


def _short(
    counts: Counts, photos: Sequence[Counts], drawn: Sequence[int], ratio: float, at_most: int
) -> tuple[Short, ...]:
    behind = _behind(counts, ratio)
    if not behind:
        return ()
    frequent = _most_frequent(counts)
    found = []
    for name in behind:
        helping = [i for i, boxes in enumerate(photos) if boxes.get(name, 0) * ratio > boxes.get(frequent, 0)]
        capped = bool(helping) and all(drawn[photo] >= at_most for photo in helping)
        found.append(Short(name, frequent, counts[frequent] / counts[name], capped))
    return tuple(found)
