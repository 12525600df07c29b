"""What the documents say is what the commands do."""

from __future__ import annotations

import re
import shlex

import pytest
from conftest import REPOSITORY
from make_cli_docs import COMMANDS, document, help_of

PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")])


def typed(page: str) -> list[list[str]]:
    """Every command of ours in the code blocks of a page, as words."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page, flags=re.M | re.S)
    indented = re.findall(r"^ {4}(\S.*)$", page, flags=re.M)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()] + indented
    cleaned = [re.sub(r"^\$ |\s{2,}#.*$|  +\(.*$", "", line.strip()) for line in lines]
    return [shlex.split(line) for line in cleaned if re.match(r"(ssdprep|python -m ssd\.\w+) ", line)]


def test_the_command_page_is_what_help_says():
    assert (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8") == document()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_the_documents_exists(page):
    for words in typed(page.read_text(encoding="utf-8")):
        name = " ".join(words[:3] if words[0] == "python" else words[:2])
        if name.split()[-1].startswith("--") or name not in COMMANDS:
            assert name == "ssdprep --help", f"{page.name}: {name} is no command"
            continue
        known = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", help_of(COMMANDS[name])))
        used = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word) and word != "-m"}
        assert used <= known, f"{page.name}: {' '.join(words)}"


def test_the_readme_opens_with_the_two_commands():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    first = re.search(r"^```\w*\n(.*?)^```", readme, flags=re.M | re.S)
    assert first is not None
    assert {"make demo", "make test"} <= {line.split("#")[0].strip() for line in first[1].splitlines()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_picture_and_page_that_is_named_is_there(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text) + re.findall(r'src="([^"]+)"', text):
        assert (page.parent / target).exists(), f"{page.name} names {target}"
