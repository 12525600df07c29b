"""Protocol buffers' text format, as far as label maps use it: text in, fields out; nothing is interpreted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ssdprep.record import SsdprepError


class Token(NamedTuple):
    """A piece of the text, as it stands there."""

    kind: str  # string, number, word, mark, end, or unknown
    text: str
    line: int


class Field(NamedTuple):
    """A name and one value; a list in brackets is as many fields."""

    name: str
    value: object  # str: a string; Token: a number or a word; list of Field: a message
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


def parse(path: Path, text: str) -> list[Field]:
    """All fields of a file, whatever their names. `SsdprepError` with file and line for what is no such text."""
    return _Parser(path, text).message("", 0)


def quoted(name: str) -> str:
    """A string literal; control characters in octal, which unlike \\x ends after three digits, the rest as UTF-8."""
    plain = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\{ord(found[0]):03o}", plain) + '"'


def fault(path: Path, line: int, message: str, remedy: str) -> SsdprepError:
    """What is wrong in a line of a file, to be raised."""
    return SsdprepError(f"{path}:{line}: {message}", remedy)


class _Parser:
    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._tokens = _tokens(text)
        self._next = next(self._tokens)

    def message(self, closing: str, depth: int) -> list[Field]:
        """All fields up to the closing bracket; "" is the end of the file."""
        fields: list[Field] = []
        while (token := self._take()).text != closing or token.kind == "string":
            if token.kind != "word":
                raise self._unexpected(token, "a field name")
            colon = self._skip(":")
            fields.extend(Field(token.text, value, token.line) for value in self._values(colon, depth))
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
                raise fault(self._path, token.line, "the text is not UTF-8", "write the letters themselves") from error
        if token.kind in ("number", "word") and colon:
            return token
        raise self._unexpected(token, "a value" if colon else "':'")

    def _take(self) -> Token:
        token = self._next
        self._next = next(self._tokens, token)
        return token

    def _skip(self, *marks: str) -> bool:
        """Pass over one of these marks, if it comes next."""
        found = self._next.kind == "mark" and self._next.text in marks
        if found:
            self._take()
        return found

    def _unexpected(self, token: Token, wanted: str) -> SsdprepError:
        found = "the file ends" if token.kind == "end" else f"there is {token.text!r}"
        return fault(self._path, token.line, f"{found} where {wanted} is expected", "close every quote and bracket")


def _tokens(text: str) -> Iterator[Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        if match.lastgroup not in (None, "space"):
            yield Token(match.lastgroup or "", match[0], line)
        line += match[0].count("\n")
    yield Token("end", "", line)


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
