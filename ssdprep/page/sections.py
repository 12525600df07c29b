"""The parts of the page that say what is wrong: the verdict, what to do, every finding with its pictures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from ssdprep.page.markup import Html, join, tag
from ssdprep.page.pictures import Picture
from ssdprep.page.titles import title_of
from ssdprep.record import Finding, Severity
from ssdprep.wording import counted, quoted

_SHOWN, _FOLDED = 6, 300  # findings of a kind: at once, and behind a click
_WORDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


class Pictures(Protocol):
    """Where pictures of findings come from."""

    def of_findings(self, findings: Sequence[Finding]) -> list[Picture]:
        """A few for findings of one kind."""


class Kind(NamedTuple):
    """All findings of one code and severity."""

    code: str
    severity: Severity
    findings: tuple[Finding, ...]

    @property
    def anchor(self) -> str:
        """Its id on the page."""
        return f"{self.code}-{self.severity}".lower()

    @property
    def remedies(self) -> list[str]:
        """What cures them, the most frequent first."""
        return [remedy for remedy, _ in Counter(finding.remedy for finding in self.findings).most_common()]


def kinds_of(findings: Iterable[Finding]) -> list[Kind]:
    """Findings by kind, the gravest first, then the most frequent."""
    groups: dict[tuple[Severity, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.code), []).append(finding)
    order = list(Severity)
    ranked = sorted(groups.items(), key=lambda item: (order.index(item[0][0]), -len(item[1]), item[0][1]))
    return [Kind(code, severity, tuple(found)) for (severity, code), found in ranked]


def verdict(kinds: Sequence[Kind]) -> Html:
    """One line that says how it stands."""
    counts = Counter(dict.fromkeys(Severity, 0))
    for kind in kinds:
        counts[kind.severity] += len(kind.findings)
    said = [
        tag("span", counted(count, _WORDS[severity]), class_=f"pill {severity}")
        for severity, count in counts.items()
        if count
    ]
    if counts[Severity.ERROR]:
        word = "These errors need you before anything is trained."
    elif counts[Severity.WARNING]:
        word = "Nothing stops the training; the warnings deserve a look."
    else:
        word = "Nothing stands in the way of training."
        said = said or [tag("span", "nothing wrong", class_="pill good")]
    return tag("p", [join(pill, " ") for pill in said], " ", word, class_="verdict")


def to_do(kinds: Sequence[Kind], root: Path) -> Html:
    """What to do, one line for each kind."""
    rows = [
        tag(
            "li",
            tag("span", _WORDS[kind.severity], class_=f"pill {kind.severity}"),
            tag("a", title_of(kind.findings[0]), href=f"#{kind.anchor}"),
            tag("span", _times(kind), class_="times"),
            tag("span", kind.findings[0].message, class_="what") if len(kind.findings) == 1 else None,
            tag("span", tag("b", "Cure: "), prose(_short(kind.remedies), root), class_="cure"),
        )
        for kind in kinds
        if kind.severity is not Severity.INFO
    ]
    if not rows:
        return tag("p", "Nothing: no error and no warning was found.", class_="card")
    return tag("div", tag("ol", rows, class_="todo"), class_="card")


def details(kinds: Sequence[Kind], root: Path, album: Pictures) -> Html:
    """Every kind with its places and pictures."""
    severities = list(dict.fromkeys(kind.severity for kind in kinds))
    buttons = [
        tag("button", text, type="button", data_show=show, aria_pressed="true" if show == "all" else "false")
        for show, text in [("all", "All"), *((str(severity), f"{_WORDS[severity]}s") for severity in severities)]
    ]
    bar = tag("div", buttons, class_="filter", hidden="", role="group", aria_label="Show")
    return join(bar if len(severities) > 1 else None, (_kind(kind, root, album) for kind in kinds))


def figures(pictures: Sequence[Picture]) -> Html | None:
    """Pictures side by side."""
    shown = [tag("figure", image(picture), tag("figcaption", picture.caption)) for picture in pictures]
    return tag("div", shown, class_="shots") if shown else None


def image(picture: Picture) -> Html:
    """One picture."""
    return tag("img", src=picture.source, width=picture.width, height=picture.height, alt=picture.alt, loading="lazy")


def prose(text: str, root: Path) -> Html:
    """A sentence; what stands in `backticks`, or is a command of ours about the data set, is set as code."""
    command = rf"ssdprep [a-z-]+ {re.escape(quoted(root))}(?: --[a-z-]+(?: (?!or |then |and )[\w./-]*\w)?)*"
    parts = re.split(rf"`([^`]+)`|({command})", text)
    codes = ([tag("code", code) for code in parts[place + 1 : place + 3] if code] for place in range(0, len(parts), 3))
    return join([text, code] for text, code in zip(parts[::3], codes, strict=True))


def _kind(kind: Kind, root: Path, album: Pictures) -> Html:
    first = _SHOWN if len(kind.findings) > _SHOWN + 2 else _SHOWN + 2  # nobody clicks for two more
    shown, folded = kind.findings[:first], kind.findings[first : first + _FOLDED]
    rest = len(kind.findings) - len(shown) - len(folded)
    more = None
    if folded:
        last = tag("p", f"... and {rest:,} more: --json has all", class_="note") if rest else None
        more = tag("details", tag("summary", f"{len(folded) + rest:,} more"), _places(folded, root), last)
    pictures = album.of_findings(kind.findings)
    cures = kind.remedies
    said = [tag("p", tag("b", "Cure: "), prose(cure, root), class_="cure") for cure in cures[:3]]
    if len(cures) > 3:
        said.append(tag("p", f"... {len(cures) - 3} more like these, each for its file", class_="note"))
    return tag(
        "article",
        tag(
            "h3",
            tag("span", _WORDS[kind.severity], class_=f"pill {kind.severity}"),
            tag("span", title_of(kind.findings[0])),
            tag("span", kind.code, class_="times"),
            tag("span", _times(kind), class_="times"),
        ),
        said,
        tag("div", figures(pictures), tag("div", _places(shown, root), more), class_="beside")
        if 0 < len(pictures) <= 2
        else [figures(pictures), _places(shown, root), more],
        class_="card kind",
        id=kind.anchor,
        data_severity=str(kind.severity),
    )


def _places(findings: Sequence[Finding], root: Path) -> Html:
    rows = []
    for finding in findings:
        inside = finding.path.is_relative_to(root)
        where = finding.path.relative_to(root).as_posix() if inside else str(finding.path)
        where += f":{finding.line}" if finding.line else ""
        message = tag("span", finding.message, class_="what")
        rows.append(tag("li", tag("span", where, class_="at") if finding.path != root else None, message))
    return tag("ul", rows, class_="places")


def _times(kind: Kind) -> str | None:
    return f"{len(kind.findings):,} times" if len(kind.findings) > 1 else None


def _short(remedies: Sequence[str]) -> str:
    return remedies[0] if len(remedies) == 1 else f"{remedies[0]} (and {len(remedies) - 1} others like it)"
