"""An audit as one HTML page: loads nothing from elsewhere, can be read without a script, takes no name for markup."""

from __future__ import annotations

import shlex
from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ssdprep.disk import require_place
from ssdprep.files import write_new
from ssdprep.orient import to_upright
from ssdprep.page.markup import Html, join, tag
from ssdprep.page.pictures import Album
from ssdprep.page.style import SCRIPT, STYLE
from ssdprep.palette import Colour, palette
from ssdprep.record import Dataset, SsdprepError, Track, untracked
from ssdprep.statistics import boxes_of

if TYPE_CHECKING:
    from ssdprep.audit import Audit

__all__ = ["check_place", "render", "write_page"]

_GENERATOR = "ssdprep audit"  # by which an earlier page is known
_MARK = f'<meta name="generator" content="{_GENERATOR}">'


def check_place(out: Path, data: Path) -> None:
    """`SsdprepError` where ``out`` is no .html file that can be written, or is one that is no page of ours."""
    if out.is_dir() or out.suffix.lower() not in {".html", ".htm"}:
        remedy = f"name a new .html file: --html {shlex.quote(f'{out}.html')}"
        raise SsdprepError(f"{out} is {'a folder' if out.is_dir() else 'no .html file'}", remedy)
    if out.exists() or out.is_symlink():
        try:
            with out.open("rb") as file:
                is_ours = _MARK.encode() in file.read(4096)
        except OSError:
            is_ours = False
        if not is_ours:
            other = out.with_name(f"{out.stem}-audit.html")
            raise SsdprepError(f"{out} exists, and is no page of ssdprep audit", f"--html {shlex.quote(str(other))}")
    require_place(out, "--html")


def write_page(report: Audit, dataset: Dataset, out: Path, *, track: Track = untracked) -> None:
    """Write the page, whole or not at all; an earlier one is replaced. dataset: as `scan.scan_folder` returned it."""
    check_place(out, report.root)
    write_new(out, render(report, dataset, track=track))


def render(report: Audit, dataset: Dataset, *, track: Track = untracked) -> bytes:
    """The page as UTF-8; the same for the same data. Reads the photos that are on it, a few for each kind."""
    from ssdprep.page import classes, sections, shapes

    upright = to_upright(dataset)
    place = {name: index for index, name in enumerate(report.classes)}  # by which the style knows a class
    colours = palette({thing.name for record in dataset.records for thing in record.objects})
    album = Album(dataset, upright, colours)
    kinds = sections.kinds_of(report.findings)
    planned: list[tuple[str, str, Callable[[], Html | None]]] = [
        ("todo", "What to do", lambda: sections.to_do(kinds, report.root)),
        ("findings", "Findings", lambda: sections.details(kinds, report.root, album) if kinds else None),
        (
            "classes",
            "Classes",
            lambda: join(classes.classes(report), classes.looks(report, album, place), classes.meetings(report)),
        ),
        ("split", "Split", lambda: classes.parts(report)),
        ("boxes", "Boxes", lambda: shapes.sizes(report, boxes_of(upright.records), place)),
        ("photos", "Photos", lambda: shapes.photos(report) if report.images else None),
    ]
    made = [(anchor, title, make()) for anchor, title, make in track(planned, "Drawing the page", len(planned))]
    there = [(anchor, title, content) for anchor, title, content in made if content]
    name = report.root.resolve().name or str(report.root)
    body = tag(
        "div",
        tag(
            "header",
            tag("p", "Data set audit", class_="over"),
            tag("h1", name),
            sections.verdict(kinds),
            classes.tiles(report),
        ),
        tag("nav", (tag("a", title, href=f"#{anchor}") for anchor, title, _ in there), aria_label="On this page"),
        tag("main", (tag("section", tag("h2", title), content, id=anchor) for anchor, title, content in there)),
        _footer(report),
        class_="wrap",
    )
    return _document(f"Audit of {name}", body, _colours(place, colours)).encode("utf-8", "replace")


def _footer(report: Audit) -> Html:
    from ssdprep import __version__
    from ssdprep.wording import quoted

    return tag(
        "footer",
        f"ssdprep {__version__}. Written by ",
        tag("code", f"ssdprep audit {quoted(report.root)} --input {report.statistics.input} --html PAGE"),
        "; the same data gives the same page.",
    )


def _colours(place: Mapping[str, int], colours: Mapping[str, Colour]) -> str:
    """A style for each class, by its place in the report: its colour in photos, darker where paper is white."""
    rules = []
    for name, index in place.items():
        code = "#{:02x}{:02x}{:02x}".format(*colours[name])
        rules.append(f".k{index}{{background:{code}}}.c{index}{{--c:color-mix(in oklab,{code} 72%,#000)}}")
        rules.append(f"@media(prefers-color-scheme:dark){{.c{index}{{--c:{code}}}}}")
    return "".join(rules)


def _document(title: str, body: Html, colours: str) -> str:
    script = b64encode(sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{script}'"
    head = join(
        tag("meta", charset="utf-8"),
        Html(_MARK),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("title", title),
        Html(f"<style>{STYLE}{colours}</style>"),
    )
    page = tag("html", tag("head", head), tag("body", body, Html(f"<script>{SCRIPT}</script>")), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"
