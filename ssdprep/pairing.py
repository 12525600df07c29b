"""Which annotation belongs to which photo? Names in, pairs out; nothing is opened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from posixpath import basename, dirname, splitext

from ssdprep.walk import folded

# Folders that only say what kind of file they hold: images/train/a.jpg and annotations/train/a.xml are siblings.
_KINDS = frozenset(
    {"images", "image", "imgs", "img", "jpegimages", "pngimages", "photos", "photo", "pictures"}
    | {"annotations", "annotation", "annots", "anns", "ann", "labels", "label", "xmls", "xml"}
)

Index = Mapping[object, Sequence[str]]
Finder = Callable[[str], Sequence[str]]


@dataclass(slots=True)
class Pairing:
    """Names, relative to the data folder. A photo or an annotation is in one of these at most; else it stands alone."""

    photo_of: dict[str, str] = field(default_factory=dict)  # annotation -> photo
    second: dict[str, str] = field(default_factory=dict)  # annotation -> photo that has another annotation already
    rivals: dict[str, list[str]] = field(default_factory=dict)  # photo -> annotations, none better than another claim
    ambiguous: dict[str, list[str]] = field(default_factory=dict)  # annotation -> several photos, none better

    @property
    def settled(self) -> set[str]:
        """Annotations of which something is known: the others have no photo."""
        rivals = (annotation for claimants in self.rivals.values() for annotation in claimants)
        return {*self.photo_of, *self.second, *self.ambiguous, *rivals}

    @property
    def withheld(self) -> set[str]:
        """Photos whose labels are in doubt: neither labelled nor free of objects."""
        return {*self.rivals, *(photo for photos in self.ambiguous.values() for photo in photos)}


def pair(photos: Sequence[str], annotations: Sequence[str], filenames: Mapping[str, str]) -> Pairing:
    """Pair names: by folder and stem, by sibling folders, by a stem that is unique, last by ``<filename>``.

    filenames: annotation -> last part of its ``<filename>``; may lack some. Never guesses: two candidates of the same
    rank are ambiguous.
    """
    if not photos:
        return Pairing()
    result = Pairing()
    left: Sequence[str] = annotations
    ranks = ((_by_place, True), (_by_sibling, True), (_by_stem, False), (partial(_by_filename, filenames), False))
    for rank, near in ranks:
        if left:
            left = _claim(result, left, filenames, rank(photos), near=near)
    return result


def _by_place(photos: Sequence[str]) -> Finder:
    index = _index(photos, lambda name: (dirname(name), _stem(name)))
    return lambda name: index.get((dirname(name), _stem(name)), ())


def _by_sibling(photos: Sequence[str]) -> Finder:
    index = _index(photos, lambda name: (_without_kinds(name), _stem(name)))
    return lambda name: index.get((_without_kinds(name), _stem(name)), ())


def _by_stem(photos: Sequence[str]) -> Finder:
    index = _index(photos, _stem)
    return lambda name: index.get(_stem(name), ())


def _by_filename(filenames: Mapping[str, str], photos: Sequence[str]) -> Finder:
    by_stem, by_name = _index(photos, _stem), _index(photos, lambda name: folded(basename(name)))

    def find(annotation: str) -> Sequence[str]:
        filename = filenames.get(annotation)
        if not filename:
            return ()
        # LabelImg up to 1.3.3 wrote no extension: the whole may be a stem.
        whole = folded(filename)
        found = by_name.get(whole) or by_stem.get(whole) or by_stem.get(_stem(filename), ())
        near = [photo for photo in found if _without_kinds(photo) == _without_kinds(annotation)]
        return near or found

    return find


def _claim(
    result: Pairing, annotations: Iterable[str], filenames: Mapping[str, str], find: Finder, *, near: bool
) -> list[str]:
    """One rank of evidence: settle every annotation that it finds a photo for; give back the others.

    near: the place itself says which photo is meant, so that one that is taken makes a second annotation.
    """
    taken = set(result.photo_of.values()) | result.withheld
    claims: dict[str, list[str]] = defaultdict(list)
    left = []
    for annotation in annotations:
        found = find(annotation)
        if len(found) > 1:
            found = _narrowed(found, annotation, filenames.get(annotation, ""))
        free = [photo for photo in found if photo not in taken]
        if len(free) == 1:
            claims[free[0]].append(annotation)
        elif free:
            result.ambiguous[annotation] = free
        elif found and near:
            result.second[annotation] = found[0]
        else:
            left.append(annotation)
    doubtful = result.withheld  # an ambiguous annotation of this rank may be a photo's as well
    for photo, claimants in claims.items():
        if len(claimants) == 1 and photo not in doubtful:
            result.photo_of[claimants[0]] = photo
        else:
            result.rivals[photo] = claimants
    return left


def _narrowed(found: Sequence[str], annotation: str, filename: str) -> Sequence[str]:
    """Of several photos those of the very same spelling, and of those the one that ``<filename>`` names."""
    for wanted, part in ((splitext(basename(annotation))[0], _exact_stem), (filename, basename)):
        if len(found) > 1:
            found = [photo for photo in found if part(photo) == wanted] or found
    return found


def _index(photos: Iterable[str], key: Callable[[str], object]) -> Index:
    index: dict[object, list[str]] = defaultdict(list)
    for photo in photos:
        index[key(photo)].append(photo)
    return index


def _exact_stem(name: str) -> str:
    return splitext(basename(name))[0]


def _stem(name: str) -> str:
    return folded(_exact_stem(name))


def _without_kinds(name: str) -> tuple[str, ...]:
    return tuple(part for part in dirname(name).casefold().split("/") if part and part not in _KINDS)
