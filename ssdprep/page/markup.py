"""HTML and SVG from Python values. What is no `Html` yet is escaped, so that no class name ever becomes markup."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from unicodedata import category

_TURNERS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # of the direction of all text after
_VOID = frozenset({"img", "meta", "input", "br", "path", "rect", "line", "circle"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


Content = str | int | None | Iterable["Content"]


def tag(element: str, /, *content: Content, **attributes: str | float | None) -> Html:
    """An element. Text in ``content`` and attributes is escaped; None is left out.

    A trailing ``_`` of an attribute's name goes (``class_``), any other becomes ``-`` (``aria_label``).
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(_number(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if element in _VOID and not content:
        return Html(f"<{element}{written}>" if element in {"img", "meta", "input", "br"} else f"<{element}{written}/>")
    return Html(f"<{element}{written}>{join(*content)}</{element}>")


def join(*content: Content) -> Html:
    """Contents one after the other."""
    parts: list[str] = []
    for part in content:
        if part is None:
            continue
        if isinstance(part, Html):
            parts.append(part)
        elif isinstance(part, str | int):
            parts.append(escape(_plain(str(part))))
        else:
            parts.append(join(*part))
    return Html("".join(parts))


def _plain(text: str) -> str:
    """Control characters and halves of surrogate pairs, which no page can hold, as Python writes them.

    So are characters that turn the direction of the text after them: they make one file name look like another. Blanks
    and joiners of any script stay.
    """
    if text.isprintable():
        return text
    return "".join(c.encode("unicode_escape").decode("ascii") if _is_hidden(c) else c for c in text)


def _is_hidden(letter: str) -> bool:
    return letter in _TURNERS or (category(letter) in {"Cc", "Cs"} and letter not in "\n\t")


def _number(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
