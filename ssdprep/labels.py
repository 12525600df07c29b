"""Class names <-> ids: the map that annotations, records and detectors share, and its two file formats."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from unicodedata import normalize

from ssdprep.files import write_new
from ssdprep.pbtxt import Field, Token, fault, parse, quoted
from ssdprep.record import Finding, Severity, SsdprepError

NEAR_NAMES, UNUSED = "LBL001", "LBL002"

_BACKGROUND = {"background", "none_of_the_above"}  # what maps of the TF object-detection API may say under id 0
_RESERVED = {*_BACKGROUND, "???"}  # and what TFLite's lists have in their first line
_NO_CLASS = "'background' is what no box holds: it has the id 0 in every map"
_MACHINE_NAME = re.compile(r"/[mg]/\w+")  # of the Knowledge Graph, as Open Images writes them: nobody labels with these
_SHOWN = 8  # names in a message
_SLIPS = 3  # boxes of a name that may be a slip
_TIMES = 9  # as many boxes of the one that was meant, at least
_WORD = 4  # letters; shorter names are near to many others


@dataclass(frozen=True)
class LabelMap:
    """Class names in the order of their ids: ``names[0]`` has id 1, for 0 is the background.

    Raises ValueError where a name is empty, there twice, or no text that UTF-8 can hold.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for name in self.names:
            if not name.strip():
                raise ValueError(f"a class name is empty: {name!r}")
            if name in seen:
                raise ValueError(f"the class {name!r} is there twice")
            name.encode()
            seen.add(name)

    @classmethod
    def from_names(cls, names: Iterable[str]) -> LabelMap:
        """A map of names in the given order; a set, which has no order, is sorted."""
        return cls(tuple(sorted(names) if isinstance(names, AbstractSet) else names))

    def id_of(self, name: str) -> int:
        """The id of a class, from 1. `SsdprepError` for an unknown one: it names the nearest."""
        try:
            return self._ids[name]
        except KeyError:
            message = f"class {name!r} is not in the label map{self.hint(name)}"
            remedy = "correct the name in the annotations, or add it at the end of the label map"
            raise SsdprepError(message, remedy) from None

    def name_of(self, number: int) -> str:
        """The class of an id. ValueError for the background (0) and for ids that no class has."""
        if not 1 <= number <= len(self.names):
            raise ValueError(f"no class has the id {number}: ids go from 1 to {len(self.names)}")
        return self.names[number - 1]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names, 1)}

    def near(self, name: str) -> str | None:
        """The class that may have been meant, case aside."""
        by_case = {known.casefold(): known for known in reversed(self.names)}
        found = get_close_matches(name.casefold(), by_case, 1)
        return by_case[found[0]] if found else None

    def hint(self, name: str) -> str:
        """What may have been meant; what there is where nothing is near."""
        if (near := self.near(name)) is not None:
            return f": did you mean {near!r}?"
        if not self.names:
            return ", which is empty"
        more = f" and {len(self.names) - _SHOWN} more" if len(self.names) > _SHOWN else ""
        return f", which holds {', '.join(map(repr, self.names[:_SHOWN]))}{more}"


def spelling(name: str) -> str:
    """What the spellings of one class have in common: letters, without case, blanks, ``_`` and ``-``.

    >>> spelling("Milk  Carton") == spelling("milk_carton")
    True
    """
    return re.sub(r"[\s_-]+", "", normalize("NFKC", name).casefold())


def slips(counts: Mapping[str, int]) -> dict[str, str]:
    """Rare class names that look like a slip of the fingers, and the frequent one that may be meant. counts: boxes.

    Not those that are one `spelling`. Digits, and letters between blanks, tell classes apart: card1, grade B.

    >>> slips({"king": 9, "kign": 1, "jack": 9, "card1": 9, "card2": 1})
    {'kign': 'king'}
    """
    often = sorted(counts, key=lambda name: (-counts[name], name))
    found: dict[str, str] = {}
    for name, count in sorted(counts.items()):
        for other in often if 0 < count <= _SLIPS else ():
            if counts[other] < count * _TIMES:
                break
            if _is_slip(name, other):
                found.setdefault(name, other)
    return found


def _is_slip(name: str, other: str) -> bool:
    """Whether one letter is another, lacking or too many, or two neighbours are exchanged; case aside."""
    one, two = (normalize("NFKC", each).casefold() for each in (name, other))
    short = min(len(one), len(two))
    if abs(len(one) - len(two)) > 1 or spelling(name) == spelling(other):
        return False
    if min(sum(map(str.isalpha, each)) for each in (one, two)) < _WORD:
        return False
    head = _alike(one, two)
    tail = min(_alike(one[::-1], two[::-1]), short - head)
    mine, yours = one[head : len(one) - tail], two[head : len(two) - tail]
    is_near = max(len(mine), len(yours)) == 1 or (len(mine) == 2 and mine == yours[::-1])
    beside = one[head - 1 : head] + one[len(one) - tail :][:1]
    return is_near and (mine + yours).isalpha() and any(map(str.isalpha, beside))


def _alike(one: str, two: str) -> int:
    """How many letters two words have in common from their start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False)))


def is_reserved(name: str) -> bool:
    """Whether a class name is one of those that stand for no class."""
    return name.casefold() in _RESERVED


def covering(
    used: Mapping[str, str], path: Path | str | None = None, root: Path | str = "DATA"
) -> tuple[LabelMap, tuple[Finding, ...]]:
    """The map for classes in use, and what is odd in it: the one in a file, else their names, sorted.

    used: class -> where it first occurs, for messages. root: the folder of their annotations. `SsdprepError`, which
    names them all, for classes that the file does not hold; also for a class that is called background; and as
    `read_label_map`.
    """
    if path is None:
        for name in sorted(used):
            if is_reserved(name):
                rename = f"ssdprep repair {shlex.quote(str(root))} --rename {shlex.quote(f'{name}=NAME')}"
                message = f"{used[name]}: a class is called {name!r}: {_NO_CLASS}"
                raise SsdprepError(message, f"{rename}, or delete its boxes")
        return LabelMap.from_names(set(used)), ()
    path = Path(path)
    labels = read_label_map(path)
    unknown = sorted(set(used) - set(labels.names))
    if unknown:
        said = [f"{used[name]}: class {name!r} is not in {path}{labels.hint(name)}" for name in unknown[:_SHOWN]]
        said += [f"and {len(unknown) - _SHOWN} more classes"] * (len(unknown) > _SHOWN)
        raise SsdprepError(
            "; ".join(said), "correct the name in the annotations, or add it at the end of the label map"
        )
    return labels, (*_near_names(path, labels), *_unused(path, labels, used))


def _near_names(path: Path, labels: LabelMap) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for name in labels.names:
        other = first.setdefault(spelling(name), name)
        if other != name:
            message = f"class {name!r} is nearly {other!r}: the detector learns two classes"
            remedy = "give both the same name in the annotations, and delete one here before anything is trained"
            yield Finding(NEAR_NAMES, Severity.WARNING, path, 0, message, remedy)


def _unused(path: Path, labels: LabelMap, used: Mapping[str, str]) -> Iterator[Finding]:
    for name in labels.names:
        if name not in used:
            message = f"class {name!r} has no box: nothing trains it"
            remedy = "nothing to do, if boxes will come; to delete it would shift every id after it"
            yield Finding(UNUSED, Severity.INFO, path, 0, message, remedy)


def read_label_map(path: Path | str) -> LabelMap:
    """Read a label map: ``.pbtxt`` of the TF object-detection API, or ``.txt`` with one name a line.

    In a pbtxt the ids rule, whatever the order of its items; an item of id 0 that is the background is passed over.
    ``name`` is taken, ``display_name`` where there is none or it is a machine's (``/m/01g317``). Ids with gaps are
    refused: a detector has one output for each id, so a gap would be an output that nothing trains, and closing it
    would give every later class another id than the map says.

    `SsdprepError` with file and line for what cannot be used; OSError for a file that cannot be opened.
    """
    path = Path(path)
    reader = _format(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SsdprepError(f"{path} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from error
    items = _items(path, text) if reader == ".pbtxt" else _lines(path, text)
    first: dict[str, int] = {}
    for name, line in items:
        if is_reserved(name):
            raise fault(path, line, f"{name!r} as a class: {_NO_CLASS}", "delete it; the others begin with 1")
        if name in first:
            raise fault(path, line, f"the class {name!r} is there twice, first in line {first[name]}", "delete one")
        first[name] = line
    if not first:
        raise SsdprepError(f"{path} names no class", "write one class name a line")
    return LabelMap(tuple(first))


def write_label_map(path: Path | str, labels: LabelMap) -> None:
    """Write a label map, in the format that the suffix says; one that is there is replaced as a whole.

    `SsdprepError` for another suffix, for a class called background, and for a name that a ``.txt`` cannot hold: a
    line break, blanks at its ends.
    """
    path = Path(path)
    for name in labels.names:
        if is_reserved(name):
            raise SsdprepError(f"{name!r} as a class: {_NO_CLASS}", "rename it in the annotations")
    text = _pbtxt(labels) if _format(path) == ".pbtxt" else _txt(path, labels)
    write_new(path, text.encode())


def _format(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in (".pbtxt", ".txt"):
        raise SsdprepError(f"{path} is neither a .pbtxt nor a .txt", "name it labels.txt or label_map.pbtxt")
    return suffix


def _lines(path: Path, text: str) -> Iterator[tuple[str, int]]:
    """Name and line number. Split at line feeds only: other separators may be part of a name."""
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", text.rstrip())] if text.strip() else []
    for number, line in enumerate(lines, 1):
        if not line:
            raise fault(path, number, "an empty line: the ids of the names below it are in doubt", "delete it")
        yield line, number


def _txt(path: Path, labels: LabelMap) -> str:
    for name in labels.names:
        if name != name.strip() or re.search(r"[\r\n]", name) or name.startswith("\ufeff"):
            message = f"{path.name} cannot hold the class {name!r}: one name a line, no blanks around it"
            raise SsdprepError(message, f"write {path.with_suffix('.pbtxt').name} instead")
    return "".join(f"{name}\n" for name in labels.names)


def _pbtxt(labels: LabelMap) -> str:
    return "".join(f"item {{\n  id: {i}\n  name: {quoted(name)}\n}}\n" for i, name in enumerate(labels.names, 1))


def _items(path: Path, text: str) -> Iterator[tuple[str, int]]:
    """Name and line of each class of a pbtxt, by id."""
    found: dict[int, tuple[str, int]] = {}
    for field in parse(path, text):
        if field.name != "item" or not isinstance(field.value, list):
            raise fault(path, field.line, f"{field.name!r} where an item is expected", 'item { id: 1 name: "apple" }')
        number, name = _item(path, field)
        if number in found:
            message = f"the id {number} is there twice, first in line {found[number][1]}"
            raise fault(path, field.line, message, "give each class an id of its own")
        if number:
            found[number] = name, field.line
    for expected, number in enumerate(sorted(found), 1):
        if number != expected:
            message = f"no class has the id {expected}, but {found[number][0]!r} has {number}"
            raise fault(path, found[number][1], message, "number the classes 1, 2, 3 ... without gaps")
        yield found[number]


def _item(path: Path, item: Field) -> tuple[int, str]:
    """Id and name; the id is 0 for the background only."""
    fields: dict[str, object] = {}
    for field in item.value if isinstance(item.value, list) else ():
        if field.name in ("id", "name", "display_name"):
            if field.name in fields:
                raise fault(path, field.line, f"a second {field.name} in one item", "is a brace missing above it?")
            fields[field.name] = _number(path, field) if field.name == "id" else _text(path, field)
    number, names = fields.get("id"), [str(fields.get(key, "")) for key in ("name", "display_name")]
    if not isinstance(number, int):
        raise fault(path, item.line, "an item without id", "give it one: id: 1")
    if number < 0 or (number == 0 and not _BACKGROUND & set(names)):
        raise fault(path, item.line, f"the id {number} cannot be a class: 0 is the background", "number from 1")
    name = next((name for name in names if name.strip() and not _MACHINE_NAME.fullmatch(name)), names[0])
    if not name.strip():
        raise fault(path, item.line, f"the item of id {number} has no name", 'give it one: name: "apple"')
    return number, name


def _number(path: Path, field: Field) -> int:
    text = field.value.text if isinstance(field.value, Token) else ""
    if not re.fullmatch(r"[-+]?\d{1,9}", text):
        raise fault(path, field.line, f"{field.name} is no whole number", f"{field.name}: 1")
    return int(text)


def _text(path: Path, field: Field) -> str:
    if not isinstance(field.value, str):
        raise fault(path, field.line, f"{field.name} is no text in quotes", f'{field.name}: "apple"')
    return field.value
