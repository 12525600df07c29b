"""Class names <-> ids: the map that annotations, records and detectors share, and its two file formats."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ssdprep.record import SsdprepError

_BACKGROUND = {"background", "none_of_the_above"}  # what maps of the TF object-detection API may say under id 0
_MACHINE_NAME = re.compile(r"/[mg]/\w+")  # of the Knowledge Graph, as Open Images writes them: nobody labels with these
_SHOWN = 8  # names in a message


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
            message = f"class {name!r} is not in the label map{self._hint(name)}"
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

    def _hint(self, name: str) -> str:
        """What may have been meant, case aside; what there is where nothing is near."""
        by_case = {known.casefold(): known for known in reversed(self.names)}
        if near := get_close_matches(name.casefold(), by_case, 1):
            return f": did you mean {by_case[near[0]]!r}?"
        if not self.names:
            return ", which is empty"
        more = f" and {len(self.names) - _SHOWN} more" if len(self.names) > _SHOWN else ""
        return f", which holds {', '.join(map(repr, self.names[:_SHOWN]))}{more}"


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
        if name in first:
            raise _fault(path, line, f"the class {name!r} is there twice, first in line {first[name]}", "delete one")
        first[name] = line
    if not first:
        raise SsdprepError(f"{path} names no class", "write one class name a line")
    return LabelMap(tuple(first))


def write_label_map(path: Path | str, labels: LabelMap) -> None:
    """Write a label map, in the format that the suffix says; one that is there is replaced as a whole.

    `SsdprepError` for another suffix, and for a name that a ``.txt`` cannot hold: a line break, blanks at its ends.
    """
    path = Path(path)
    text = _pbtxt(labels) if _format(path) == ".pbtxt" else _txt(path, labels)
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        waiting.write_bytes(text.encode())
        waiting.replace(path)
    finally:
        waiting.unlink(missing_ok=True)


def _format(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in (".pbtxt", ".txt"):
        raise SsdprepError(f"{path} is neither a .pbtxt nor a .txt", "name it labels.txt or label_map.pbtxt")
    return suffix


def _fault(path: Path, line: int, message: str, remedy: str) -> SsdprepError:
    return SsdprepError(f"{path}:{line}: {message}", remedy)


def _lines(path: Path, text: str) -> Iterator[tuple[str, int]]:
    """Name and line number. Split at line feeds only: other separators may be part of a name."""
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", text.rstrip())] if text.strip() else []
    for number, line in enumerate(lines, 1):
        if not line:
            raise _fault(path, number, "an empty line: the ids of the names below it are in doubt", "delete it")
        yield line, number


def _txt(path: Path, labels: LabelMap) -> str:
    for name in labels.names:
        if name != name.strip() or re.search(r"[\r\n]", name) or name.startswith("\ufeff"):
            message = f"{path.name} cannot hold the class {name!r}: one name a line, no blanks around it"
            raise SsdprepError(message, f"write {path.with_suffix('.pbtxt').name} instead")
    return "".join(f"{name}\n" for name in labels.names)


def _pbtxt(labels: LabelMap) -> str:
    return "".join(f"item {{\n  id: {i}\n  name: {_quoted(name)}\n}}\n" for i, name in enumerate(labels.names, 1))


def _quoted(name: str) -> str:
    """A string literal; control characters in octal, which unlike \\x ends after three digits, the rest as UTF-8."""
    plain = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\{ord(found[0]):03o}", plain) + '"'


class _Token(NamedTuple):
    kind: str  # string, number, word, mark, end, or unknown
    text: str
    line: int


class _Field(NamedTuple):
    name: str
    value: object  # str: a string; _Token: a number or a word; list of _Field: a message
    line: int


_TOKEN = re.compile(
    r"""(?P<space>(?:\s|\#[^\n]*)+)
    | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<number>[-+]?\.?\d[\w.]*)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<mark>[][{}<>:,;])
    | (?P<unknown>.)""",
    re.VERBOSE,
)
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_LETTERS = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True))
_CLOSING = {"{": "}", "<": ">"}
_DEEPEST = 20  # messages in each other; label maps have two


def _items(path: Path, text: str) -> Iterator[tuple[str, int]]:
    """Name and line of each class of a pbtxt, by id."""
    found: dict[int, tuple[str, int]] = {}
    for field in _Parser(path, text).message("", 0):
        if field.name != "item" or not isinstance(field.value, list):
            raise _fault(path, field.line, f"{field.name!r} where an item is expected", 'item { id: 1 name: "apple" }')
        number, name = _item(path, field)
        if number in found:
            message = f"the id {number} is there twice, first in line {found[number][1]}"
            raise _fault(path, field.line, message, "give each class an id of its own")
        if number:
            found[number] = name, field.line
    for expected, number in enumerate(sorted(found), 1):
        if number != expected:
            message = f"no class has the id {expected}, but {found[number][0]!r} has {number}"
            raise _fault(path, found[number][1], message, "number the classes 1, 2, 3 ... without gaps")
        yield found[number]


def _item(path: Path, item: _Field) -> tuple[int, str]:
    """Id and name; the id is 0 for the background only."""
    fields: dict[str, object] = {}
    for field in item.value if isinstance(item.value, list) else ():
        if field.name in ("id", "name", "display_name"):
            if field.name in fields:
                raise _fault(path, field.line, f"a second {field.name} in one item", "is a brace missing above it?")
            fields[field.name] = _number(path, field) if field.name == "id" else _text(path, field)
    number, names = fields.get("id"), [str(fields.get(key, "")) for key in ("name", "display_name")]
    if not isinstance(number, int):
        raise _fault(path, item.line, "an item without id", "give it one: id: 1")
    if number < 0 or (number == 0 and not _BACKGROUND & set(names)):
        raise _fault(path, item.line, f"the id {number} cannot be a class: 0 is the background", "number from 1")
    name = next((name for name in names if name.strip() and not _MACHINE_NAME.fullmatch(name)), names[0])
    if not name.strip():
        raise _fault(path, item.line, f"the item of id {number} has no name", 'give it one: name: "apple"')
    return number, name


def _number(path: Path, field: _Field) -> int:
    text = field.value.text if isinstance(field.value, _Token) else ""
    if not re.fullmatch(r"[-+]?\d{1,9}", text):
        raise _fault(path, field.line, f"{field.name} is no whole number", f"{field.name}: 1")
    return int(text)


def _text(path: Path, field: _Field) -> str:
    if not isinstance(field.value, str):
        raise _fault(path, field.line, f"{field.name} is no text in quotes", f'{field.name}: "apple"')
    return field.value


class _Parser:
    """Protocol buffers' text format, as far as label maps use it: fields of any name are read, none is interpreted."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._tokens = _tokens(text)
        self._next = next(self._tokens)

    def message(self, closing: str, depth: int) -> list[_Field]:
        """All fields up to the closing bracket; "" is the end of the file."""
        fields: list[_Field] = []
        while (token := self._take()).text != closing or token.kind == "string":
            if token.kind != "word":
                raise self._unexpected(token, "a field name")
            colon = self._skip(":")
            fields.extend(_Field(token.text, value, token.line) for value in self._values(colon, depth))
            self._skip(",", ";")
        return fields

    def _values(self, colon: bool, depth: int) -> Iterator[object]:
        """One value, or those of a list in brackets."""
        if not self._skip("["):
            yield self._value(colon, depth)
            return
        while not self._skip("]"):
            yield self._value(colon, depth)
            self._skip(",")

    def _value(self, colon: bool, depth: int) -> object:
        token = self._take()
        if token.text in _CLOSING and depth < _DEEPEST:
            return self.message(_CLOSING[token.text], depth + 1)
        if token.kind == "string" and colon:
            data = _unescaped(token.text)
            while self._next.kind == "string":  # neighbours are one text
                data += _unescaped(self._take().text)
            try:
                return data.decode()
            except UnicodeDecodeError as error:
                raise _fault(self._path, token.line, "the text is not UTF-8", "write the letters themselves") from error
        if token.kind in ("number", "word") and colon:
            return token
        raise self._unexpected(token, "a value" if colon else "':'")

    def _take(self) -> _Token:
        token = self._next
        self._next = next(self._tokens, token)
        return token

    def _skip(self, *marks: str) -> bool:
        """Pass over one of these marks, if it comes next."""
        found = self._next.kind == "mark" and self._next.text in marks
        if found:
            self._take()
        return found

    def _unexpected(self, token: _Token, wanted: str) -> SsdprepError:
        found = "the file ends" if token.kind == "end" else f"there is {token.text!r}"
        return _fault(self._path, token.line, f"{found} where {wanted} is expected", "close every quote and bracket")


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        if match.lastgroup not in (None, "space"):
            yield _Token(match.lastgroup or "", match[0], line)
        line += match[0].count("\n")
    yield _Token("end", "", line)


def _unescaped(literal: str) -> bytes:
    """The bytes that a string literal stands for; \\x and octal escapes are bytes of UTF-8, \\u is a letter."""

    def meant(match: re.Match[bytes]) -> bytes:
        byte, octal, *letters, plain = match.groups()
        if byte or octal:
            return bytes([int(byte, 16) if byte else int(octal, 8) & 0xFF])
        if code := letters[0] or letters[1]:
            return chr(min(int(code, 16), 0x10FFFF)).encode("utf-8", "surrogatepass")
        return bytes([_LETTERS.get(plain[0], plain[0])])

    return _ESCAPE.sub(meant, literal[1:-1].encode())
