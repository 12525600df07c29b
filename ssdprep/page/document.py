"""A page as a whole: its head, its parts, who wrote it, and where it may be written."""

from __future__ import annotations

import shlex
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from ssdprep.disk import require_place
from ssdprep.page.markup import Html, join, tag
from ssdprep.page.style import SCRIPT, STYLE
from ssdprep.palette import Colour
from ssdprep.record import SsdprepError


class Part(NamedTuple):
    """A part of the page: its id, its heading, what it holds; without content it is left out."""

    anchor: str
    title: str
    content: Html | None


def check_place(out: Path, generator: str) -> None:
    """`SsdprepError` where ``out`` is no .html file that can be written, or is one that ``generator`` did not write."""
    if out.is_dir() or out.suffix.lower() not in {".html", ".htm"}:
        remedy = f"name a new .html file: --html {shlex.quote(f'{out}.html')}"
        raise SsdprepError(f"{out} is {'a folder' if out.is_dir() else 'no .html file'}", remedy)
    if out.exists() or out.is_symlink():
        try:
            with out.open("rb") as file:
                is_ours = _mark(generator).encode() in file.read(4096)
        except OSError:
            is_ours = False
        if not is_ours:
            other = out.with_name(f"{out.stem}-{generator.replace('.', ' ').split()[-1]}.html")
            raise SsdprepError(f"{out} exists, and is no page of {generator}", f"--html {shlex.quote(str(other))}")
    require_place(out, "--html")


def document(title: str, generator: str, header: Html, parts: Sequence[Part], footer: Html, colours: str = "") -> bytes:
    """The page as UTF-8. header, footer: contents of both; colours: styles of `class_styles`."""
    there = [part for part in parts if part.content]
    body = tag(
        "div",
        tag("header", header),
        tag("nav", (tag("a", part.title, href=f"#{part.anchor}") for part in there), aria_label="On this page"),
        tag("main", (tag("section", tag("h2", part.title), part.content, id=part.anchor) for part in there)),
        tag("footer", footer),
        class_="wrap",
    )
    script = b64encode(sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{script}'"
    head = join(
        tag("meta", charset="utf-8"),
        Html(_mark(generator)),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("title", title),
        Html(f"<style>{STYLE}{colours}</style>"),
    )
    page = tag("html", tag("head", head), tag("body", body, Html(f"<script>{SCRIPT}</script>")), lang="en")
    return f"<!DOCTYPE html>\n{page}\n".encode("utf-8", "replace")


def class_styles(place: Mapping[str, int], colours: Mapping[str, Colour]) -> str:
    """A style for each class, by its place in the report: its colour in photos, darker where paper is white."""
    rules = []
    for name, index in place.items():
        code = "#{:02x}{:02x}{:02x}".format(*colours[name])
        rules.append(f".k{index}{{background:{code}}}.c{index}{{--c:color-mix(in oklab,{code} 72%,#000)}}")
        rules.append(f"@media(prefers-color-scheme:dark){{.c{index}{{--c:{code}}}}}")
    return "".join(rules)


def _mark(generator: str) -> str:
    return f'<meta name="generator" content="{generator}">'
