"""What to draw: which pictures from which photo, under which names. Reads the old folder, writes nothing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from ssdprep import balance, derived
from ssdprep.augment import Recipe, boxes_left, rng_for
from ssdprep.augmented_files import Task
from ssdprep.provenance import read_provenance
from ssdprep.record import Finding, Record, Severity, SsdprepError, Track
from ssdprep.walk import folded
from ssdprep.wording import counted, quoted

UNLISTED, NO_SPLIT, CAPPED, IN_COMPANY = "AUG001", "AUG002", "AUG003", "AUG004"
AT_MOST = 10  # pictures of one photo, where classes are balanced
_NAMED = 5  # classes in one message


def require_outside(out: Path, data: Path) -> None:
    """`SsdprepError` where what is written would become part of the data set that it is made from."""
    if out.resolve().is_relative_to(data.resolve()):
        raise SsdprepError(f"{out} lies inside {data}: it would become part of it", "--out with a place outside")


def planned(
    data: Path,
    recipe: Recipe,
    *,
    copies: int,
    ratio: float | None,
    at_most: int,
    seed: int,
    track: Track,
) -> tuple[derived.Source, list[Task], list[Finding]]:
    """What there is, what to do with each photo, and what to say of that. Names are settled here, before any work."""
    if copies < (ratio is None) or at_most < 1:
        least = "at least 1, or 0 with balance"
        raise ValueError(f"copies must be {least}, and at_most at least 1, not {copies} and {at_most}")
    if ratio is not None and copies > at_most:
        raise ValueError(f"at_most must be at least copies where classes are balanced, not {at_most} and {copies}")
    source = derived.read_source(data, track=track)
    if not recipe.operations:
        raise SsdprepError(
            "nothing to draw: no operation is chosen",
            "--rotate 15 --flip-h --contrast 0.2 (all: ssdprep augment --help)",
        )
    training = source.parts().get("train", ())
    numbers, short = dict.fromkeys(training, copies), list[Finding]()
    if ratio is not None:
        plan = _balanced(source, training, recipe, ratio, copies=copies, at_most=at_most, seed=seed)
        numbers = dict(zip(training, plan.copies, strict=True))
        short = list(_short(source.root, plan.short, ratio, at_most))
    taken: set[str] = set()
    stems = derived.unique((derived.printable(record.path.stem) for record in source.records), taken)
    drawn = read_provenance(source.root)
    photos = {
        folded(record.path.stem): stem + record.path.suffix for record, stem in zip(source.records, stems, strict=True)
    }
    tasks = []
    for record, stem in zip(source.records, stems, strict=True):
        first = drawn.original_of(record)
        original = photos.get(first, first) if drawn.is_drawn(record) else ""
        names = [f"{stem}_aug{copy}" for copy in range(1, numbers.get(record, 0) + 1)]
        copied = tuple(derived.unique(names, taken))
        tasks.append(Task(record, source.name_of(record), stem, copied, record in numbers, original))
    listed = set(chain.from_iterable(source.splits.values()))
    unlisted = [record for record in source.records if source.splits and record not in listed and record not in numbers]
    return source, tasks, [*([_unlisted(source.root, record) for record in unlisted] or _unsplit(source)), *short]


def _balanced(
    source: derived.Source,
    training: Sequence[Record],
    recipe: Recipe,
    ratio: float,
    *,
    copies: int,
    at_most: int,
    seed: int,
) -> balance.Plan:
    """How many pictures each photo for training gives. Counts the very boxes that will be drawn, without the pixels."""
    names = [source.name_of(record) for record in training]

    def boxes_of(photo: int, copy: int) -> Counter[str]:
        record, rng = training[photo], rng_for(seed, names[photo], copy)
        assert record.size is not None
        return Counter(thing.name for thing in boxes_left(record.objects, record.size, recipe, rng))

    return balance.plan(
        [Counter(thing.name for thing in record.objects) for record in training],
        boxes_of,
        ratio,
        copies=copies,
        at_most=at_most,
        lots=[rng_for(seed, name, 0).random() for name in names],
    )


def _short(root: Path, short: Sequence[balance.Short], ratio: float, at_most: int) -> Iterator[Finding]:
    """The classes that stay rare: by the limit on pictures of one photo, or by what else is on their photos."""
    for code, is_capped in ((CAPPED, True), (IN_COMPANY, False)):
        if not (found := [each for each in short if each.is_capped == is_capped]):
            continue
        named = ", ".join(f"1 {each.name!r} for {each.ratio:,.2f} {each.frequent!r}" for each in found[:_NAMED])
        more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
        if is_capped:
            why = f"all photos that would help gave {counted(at_most, 'picture')}, which is the most"
            remedy = f"label more photos of such things, or --at-most {2 * at_most}"
        else:
            why = f"more of their photos would bring as many {found[0].frequent!r} with them"
            reached = math.ceil(10 * max(each.ratio for each in short)) / 10
            remedy = f"label photos that show them with fewer {found[0].frequent!r}, or --balance {reached:g}"
        yield Finding(code, Severity.WARNING, root, 0, f"not balanced to {ratio:g}: {named}{more}; {why}", remedy)


def _unlisted(root: Path, record: Record) -> Finding:
    message = "is in no split: kept, and nothing drawn from it"
    return Finding(UNLISTED, Severity.WARNING, record.path, 0, message, f"ssdprep split {quoted(root)} --add")


def _unsplit(source: derived.Source) -> list[Finding]:
    if source.splits:
        return []
    message = "has no split: a split made later cannot use what was drawn from the photos it holds out"
    remedy = f"split first: ssdprep split {quoted(source.root)}, then draw again"
    return [Finding(NO_SPLIT, Severity.WARNING, source.root, 0, message, remedy)]
