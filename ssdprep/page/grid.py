"""Tables and cards: what the parts of the page that hold numbers are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssdprep.page.markup import Html, join, tag
from ssdprep.wording import counted

_NAMED = 12  # classes in a legend


def card(title: str, note: str, content: Html) -> Html:
    """A chart or a table under its heading."""
    return tag("div", tag("h3", title), tag("p", note, class_="note"), content, class_="card")


def table(caption: str, heads: Sequence[str], rows: Sequence[Html], kind: str | None = None) -> Html:
    """A table that scrolls within its card where it is too wide for the screen."""
    head = tag("tr", (tag("th", name, scope="col") if name else tag("td") for name in heads))
    inner = tag("table", tag("thead", head), tag("tbody", rows), class_=kind)
    label = f"Table: {caption or heads[0]}"
    region = tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=label)
    return join(tag("p", caption, class_="note") if caption else None, region)


def legend(place: Mapping[str, int]) -> Html:
    """The colours of classes, by their places in the report."""
    chips = [tag("span", tag("span", class_=f"chip k{index}"), name) for name, index in list(place.items())[:_NAMED]]
    more = len(place) - _NAMED
    return tag("p", chips, tag("span", f"and {counted(more, 'other class')}") if more > 0 else None, class_="legend")


def cell(count: int) -> Html:
    """A number; nought is pale."""
    return tag("td", f"{count:,}", class_=None if count else "zero")


def share_cell(share: float | None) -> Html:
    """A share of boxes that are too small; a tenth and more stands out."""
    if share is None:
        return tag("td", "?")
    return tag("td", f"{share:.0%}", class_="alarm" if share >= 0.1 else "zero" if not share else None)
