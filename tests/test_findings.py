"""Every code that the source can utter is explained in docs/findings.md, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SECTIONS = (REPOSITORY / "docs" / "findings.md").read_text(encoding="utf-8").split("\n## ")[1:]
ROW = re.compile(
    r"^\| ([A-Z]{3,4}\d{3}) \| ((?:error|warning|info)(?:/(?:error|warning|info))*) \|(.+)\|$", re.MULTILINE
)


def in_source() -> set[str]:
    files = [file for package in ("ssdprep", "ssd") for file in (REPOSITORY / package).rglob("*.py")]
    assert files
    return {code for file in files for code in re.findall(r'"([A-Z]{3,4}\d{3})"', file.read_text(encoding="utf-8"))}


def in_docs() -> list[str]:
    return [match[0] for section in SECTIONS for match in ROW.findall(section)]


def test_every_code_is_documented_once() -> None:
    documented = in_docs()
    assert len(set(documented)) == len(documented)
    assert set(documented) == in_source()


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.split(":")[0])
def test_rows_are_sorted_and_complete(section: str) -> None:
    prefix = section.split(":")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| code")]
    codes = [row.split("|")[1].strip() for row in rows]
    assert codes == sorted(codes)
    assert all(code.startswith(prefix) for code in codes)
    for row in rows:
        assert ROW.match(row), row
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 5
        assert all(cells)
