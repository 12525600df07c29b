"""The verb split: every labelled photo in one of train, val and test, each class in its proportion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from ssdprep import files, split_findings
from ssdprep.alike import REACH, all_compared, grouped
from ssdprep.folds import lists_in
from ssdprep.likeness import fingerprints
from ssdprep.orient import to_upright
from ssdprep.provenance import read_provenance
from ssdprep.record import Dataset, Finding, Record, Report, SsdprepError, Track, untracked
from ssdprep.scan import scan_folder
from ssdprep.split_plan import LISTS, PARTS, Part, plan
from ssdprep.standing import USUAL, fresh_lines, grown, standing_parts, standing_shares
from ssdprep.walk import folded
from ssdprep.wording import quoted

_REPLACED = {"SPL011", "SPL012", "SPL013", "SPL014"}  # what imagesets says of lists that are there


@dataclass(frozen=True, slots=True)
class SplitReport(Report):
    """What was written, and where."""

    root: Path
    out: Path
    seed: int
    splits: dict[str, Part] = field(default_factory=dict)  # train, val, test
    unlabelled: int = 0  # photos left out because they have no annotation
    unusable: int = 0  # photos left out because they are damaged, their labels broken, or the frame of boxes unknown
    unlistable: int = 0  # photos left out because no list can hold their name
    held_out: int = 0  # drawn pictures left out because what they were drawn from is in val or test, or gone
    groups: tuple[tuple[Path, ...], ...] | None = None  # photos kept together: copies, bursts; None: nobody looked
    kfold: int = 0  # folds that lists were written for
    removed: tuple[Path, ...] = ()  # lists of folds that were there and are not part of this split
    added: dict[str, int] | None = None  # photos that came to train, val, test; None: the split is a new one
    findings: tuple[Finding, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        return {
            "out": str(self.out),
            "seed": self.seed,
            "splits": {name: asdict(part) for name, part in self.splits.items()},
            "unlabelled": self.unlabelled,
            "unusable": self.unusable,
            "unlistable": self.unlistable,
            "held_out": self.held_out,
            "groups": None if self.groups is None else [[str(path) for path in group] for group in self.groups],
            "kfold": self.kfold,
            "removed": [str(path) for path in self.removed],
            "added": self.added,
        }


def split_folder(
    data: Path | str,
    *,
    val: float | None = None,
    test: float | None = None,
    seed: int = 0,
    out: Path | str | None = None,
    force: bool = False,
    add: bool = False,
    group: bool = True,
    kfold: int = 0,
    jobs: int = 1,
    track: Track = untracked,
) -> SplitReport:
    """Share labelled photos out and write ``train.txt``, ``val.txt``, ``test.txt`` and ``trainval.txt``, as VOC does.

    A line is a photo's stem, or its path below DATA where stems repeat. ``out`` defaults to DATA/ImageSets/Main, where
    every other verb looks. Photos without annotation are left out: nobody said that they show nothing. Where DATA holds
    no photos at all, annotations are shared out. Pictures that `augment` drew go into train with their photo; those of
    photos in val and test go nowhere. The same photos, labels and seed give the same lists on every system.

    val, test: shares of the photos, 0..1; the rest is train; None: a tenth and a fifth, with ``add`` what the lists
    have. group: copies of a photo, and shots of a burst, stay in
    one part (`alike.grouped`); every photo is decoded for that, by ``jobs`` worker processes (0: all cores).
    kfold: further lists, ``fold1_train.txt``, ``fold1_val.txt`` and so on, which share out trainval so often; 0: none.
    force: replace a split that is there; lists of folds in ``out`` that are not part of the new one are removed.
    add: keep the split of DATA/ImageSets/Main, and share out only photos that are in no part; copies of a photo, and
    shots of its burst, come to its part. Every line of the lists stays, new ones stand at the end; lists of folds go
    as above, once a photo is added.
    ValueError for other numbers, and for ``add`` with ``out`` or ``force``. `SsdprepError` where the shares leave
    nothing to train on, where ``out`` holds a split and neither ``force`` nor ``add`` is set, where no photo can be
    used, where there are fewer photos than folds, and where there is no split to add to, or its lists are not clear.
    """
    if not all(share is None or 0 <= share <= 1 for share in (val, test)):
        raise ValueError(f"val and test must be shares of 0 to 1, not {val} and {test}")
    if kfold < 0 or kfold == 1:
        raise ValueError(f"kfold must be 0 or at least 2, not {kfold}")
    if add and (force or out is not None):
        raise ValueError("add goes with neither out nor force")
    root = Path(data)
    target = root / "ImageSets" / "Main" if out is None else Path(out)
    shares = None if add else _shares(_exact(val, USUAL["val"]), _exact(test, USUAL["test"]))
    if not add:
        _refuse_to_replace(root, target, out is not None, force)
    dataset = scan_folder(root, track=track)
    standing = standing_parts(dataset) if add else None
    upright = to_upright(dataset)
    names = _list_names(dataset)
    labelled = list(_labelled(dataset))
    sound = {record.path for record in upright.records} - dataset.damaged  # and in a known frame
    usable = [record for record in labelled if record.path in names and record.path in sound]
    if not usable:
        raise SsdprepError(f"no photo of {root} has labels that can be used", f"ssdprep audit {quoted(root)}")
    drawn = read_provenance(root)
    groups, unseen = (
        _groups(root, [each for each in usable if not drawn.is_drawn(each)], jobs, track) if group else (None, ())
    )
    photos = [record.path for record in usable if not drawn.is_drawn(record)]
    if standing is not None:
        shares = _shares_to_add(root, val, test, [standing[path] for path in photos if path in standing])
    assert shares is not None
    made = plan(root, usable, drawn, groups or (), shares, seed=seed, kfold=kfold, standing=standing)
    members = {name: [r.path for r in usable if r.path in paths] for name, paths in made.lists.items()}
    lists = {target / f"{name}.txt": _list(names[path] for path in paths) for name, paths in members.items()}
    added, fresh = None, members
    if standing is not None:
        added = {name: sum(path not in standing for path in members[name]) for name in PARTS}
        fresh = fresh_lines(dataset, members)  # also of photos that are in a part by another list, such as trainval
        lists |= {(path := target / f"{name}.txt"): grown(path, map(names.__getitem__, fresh[name])) for name in fresh}
    is_new = added is None or any(added.values()) or bool(kfold)
    removed = [path for path in lists_in(target) if path not in lists] if is_new else []
    if is_new or any(fresh.values()):
        files.write_together(lists, removed)
    unlabelled = sum(record.annotation is None for record in dataset.records)
    findings = (
        *(finding for finding in upright.findings if add or out is not None or finding.code not in _REPLACED),
        *split_findings.of_left_out(root, labelled, names, unlabelled),
        *split_findings.of_plan(root, made, shares),
        *unseen,
    )
    unlistable = sum(record.path not in names for record in labelled)
    return SplitReport(
        root=root,
        out=target,
        seed=seed,
        splits=made.splits,
        unlabelled=unlabelled,
        unusable=len(labelled) - len(usable) - unlistable + len(dataset.left_out),
        unlistable=unlistable,
        held_out=made.held_out,
        groups=groups,
        kfold=kfold,
        removed=tuple(removed),
        added=added,
        findings=findings,
    )


def _exact(share: float | None, default: Fraction) -> Fraction:
    """A share as it was typed: 0.1 is a tenth."""
    return default if share is None else Fraction(repr(float(share)))


def _shares(val: Fraction, test: Fraction) -> dict[str, Fraction]:
    if val + test >= 1:
        message = f"val {float(val):g} and test {float(test):g} leave nothing to train on"
        raise SsdprepError(message, "choose shares that add up to less than 1: --val 0.1 --test 0.2")
    return {"train": 1 - val - test, "val": val, "test": test}


def _shares_to_add(root: Path, val: float | None, test: float | None, parts: Sequence[str]) -> dict[str, Fraction]:
    """The shares that were asked for, or that the lists have."""
    have = standing_shares(parts)
    if "train" not in parts and None in (val, test):
        message = f"the lists of {root} name no photo to train on: in which shares more are to be added is not known"
        raise SsdprepError(message, f"say it: ssdprep split {quoted(root)} --add --val 0.1 --test 0.2")
    return _shares(_exact(val, have["val"]), _exact(test, have["test"]))


def _refuse_to_replace(root: Path, target: Path, chosen: bool, force: bool) -> None:
    there = [f"{name}.txt" for name in LISTS if (target / f"{name}.txt").exists()]
    there += [path.name for path in lists_in(target)]
    if there and not force:
        message = f"{target} holds a split already: {', '.join(there)}"
        again, where = f"ssdprep split {quoted(root)}", f" --out {quoted(target)}" if chosen else ""
        keep = "keep it" if chosen else f"keep it, and add photos that are in no part: {again} --add"
        raise SsdprepError(message, f"{keep}; or replace it: {again}{where} --force")


def _labelled(dataset: Dataset) -> Iterator[Record]:
    """Labelled photos; annotations where there are no photos at all."""
    photos = bool(dataset.left_out) or any(record.image is not None for record in dataset.records)
    for record in dataset.records:
        if record.annotation is not None and (record.image is not None or not photos):
            yield record


def _list_names(dataset: Dataset) -> dict[Path, str]:
    """What a list calls each photo: its stem, or as much of its path as tells it from all others."""
    photos = [*(record.path for record in dataset.records), *dataset.left_out]
    forms = {path: _forms(path.relative_to(dataset.root)) for path in photos}
    owners = Counter(key for each in forms.values() for key in {folded(form) for form in each})
    chosen = {}
    for path, each in forms.items():
        fitting = [form for form in each if owners[folded(form)] == 1 and _fits_a_line(form)]
        if fitting:
            chosen[path] = fitting[0]
    return chosen


def _forms(relative: Path) -> tuple[str, str, str]:
    """Stem, path without extension, path."""
    return relative.stem, relative.with_suffix("").as_posix(), relative.as_posix()


def _fits_a_line(text: str) -> bool:
    return text == text.strip() and len(text.splitlines()) == 1 and "\\" not in text


def _groups(
    root: Path, records: Sequence[Record], jobs: int, track: Track
) -> tuple[tuple[tuple[Path, ...], ...], tuple[Finding, ...]]:
    """Photos that stay together, and a word where not all could be compared."""
    photos = [record.image for record in records if record.image is not None]
    seen = fingerprints(photos, jobs=jobs, track=track)
    said = () if all_compared(seen) else (split_findings.not_all_compared(root, len(seen), REACH),)
    return tuple(grouped(seen, track=track)), said


def _list(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
