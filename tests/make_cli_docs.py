"""Write docs/cli.md: what every command's --help says. `python tests/make_cli_docs.py`; a test holds the file to it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
TARGET = REPOSITORY / "docs" / "cli.md"
VERBS = ("fix-exif", "undo", "audit", "repair", "xml2csv", "split", "augment", "tfrecord", "preview")
MODULES = ("ssd.train", "ssd.evaluate", "ssd.predict", "ssd.export", "ssd.summary", "ssd.fit_anchors", "ssd.doctor")

COMMANDS = {
    "ssdprep": ("ssdprep",),
    **{f"ssdprep {verb}": ("ssdprep", verb) for verb in VERBS},
    **{f"python -m {module}": (module,) for module in MODULES},
}


def help_of(words: tuple[str, ...]) -> str:
    """A command's --help, 100 columns wide, without colours and without blanks at the ends of lines."""
    plain = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-m", *words, "--help"], env=plain, cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def document() -> str:
    """The whole page."""
    head = "# Commands\n\nWhat `--help` says, written by `python tests/make_cli_docs.py`.\n"
    return head + "".join(f"\n## {name}\n\n```text\n{help_of(words)}\n```\n" for name, words in COMMANDS.items())


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
