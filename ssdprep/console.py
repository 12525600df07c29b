"""The only module that prints. Answers go to stdout, everything said on the way to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from ssdprep.record import Finding, Report, Severity, SsdprepError, T

if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import Console, RenderableType
    from typer import Typer

quiet = False
debug = False
_SHOWN = 40  # findings on a terminal before the rest is only counted; --json always holds all
_COLOUR = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


def out() -> Console:
    """The terminal for answers."""
    return _terminal(sys.stdout)


def err() -> Console:
    """The terminal for what is said on the way."""
    return _terminal(sys.stderr)


def _terminal(stream: TextIO) -> Console:
    from rich.console import Console

    class Terminal(Console):
        def on_broken_pipe(self) -> None:
            raise  # rich would leave with exit code 1; `run` knows better

    # No markup, no emoji: a class may be called [red]apple, a folder :new:.
    return Terminal(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=not stream.isatty())


def say(line: str) -> None:
    """One line for the user, on stderr; silent with --quiet."""
    if not quiet:
        err().print(line)


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Pass the items through; on a terminal draw a bar with rate and time left meanwhile."""
    if quiet or not sys.stderr.isatty():
        yield from items
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="dim")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=err(), transient=True) as progress:
        yield from progress.track(items, total=total, description=label)


def show(report: Report, render: Callable[[Any], Iterable[RenderableType]], *, as_json: bool) -> NoReturn:
    """Print a verb's answer, as JSON or as ``render`` lays it out, its findings after it; leave with its exit code."""
    if as_json:
        sys.stdout.write(json.dumps(report.to_dict(), indent=1, ensure_ascii=False) + "\n")
    else:
        if not quiet:
            terminal = out()
            for part in render(report):
                terminal.print(part)
        show_findings(report.findings)
    raise SystemExit(report.exit_code)


def show_findings(findings: Sequence[Finding]) -> None:
    """One line a finding, the gravest first; past a screenful they are counted by code instead."""
    from rich.text import Text

    order = list(Severity)
    ranked = sorted(findings, key=lambda f: order.index(f.severity))
    terminal = out()
    for finding in ranked[:_SHOWN]:
        place, _, rest = _one_line(str(finding)).partition(f" {finding.code} ")
        terminal.print(Text.assemble(place, " ", (finding.code, _COLOUR[finding.severity]), " ", rest))
    if rest_of := ranked[_SHOWN:]:
        codes = ", ".join(f"{code} x {n}" for code, n in _count(f.code for f in rest_of).items())
        terminal.print(f"... and {len(rest_of)} more: {codes} (--json lists all)", style="dim")


def _one_line(text: str) -> str:
    """Line breaks and whatever else a terminal would obey rather than show, as Python writes them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def fail(error: SsdprepError | OSError) -> NoReturn:
    """Say why the command could not run and what cures it; exit code 2."""
    from rich.text import Text

    if isinstance(error, SsdprepError):
        text = Text.assemble(("error: ", "bold red"), error.message, "\n", ("  try: ", "bold green"), error.remedy)
    else:
        text = Text.assemble(("error: ", "bold red"), str(error))
    err().print(text)
    raise SystemExit(2)


def run(app: Typer, name: str | None = None) -> NoReturn:
    """Run a command line: errors become one line with their cure, tracebacks only with --debug."""
    try:
        _call(app, name)
    except BrokenPipeError:  # `ssdprep ... | head` is no error
        _drop_output()
        raise SystemExit(0) from None
    except (SsdprepError, OSError) as error:
        if debug:
            raise
        fail(error)
    except Exception as error:
        if debug:
            raise
        fail(
            SsdprepError(
                f"a fault in ssdprep itself: {type(error).__name__}: {error}",
                "the same with --debug, and report what it prints",
            )
        )
    except KeyboardInterrupt:
        err().print("interrupted - nothing is left half-written; run the same command again", style="bold red")
        raise SystemExit(130) from None
    raise SystemExit(0)


class _Past(BaseException):
    """Carries an error past typer, which ends a process on Ctrl-C and on a broken pipe in ways of its own."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _call(app: Typer, name: str | None) -> None:
    """Parse and run; wrong options and --help are typer's. What is left in the buffer is written here, not at exit."""
    from typer.main import get_command

    command = get_command(app)
    invoke = command.invoke

    def guarded(context: Any) -> Any:
        try:
            return invoke(context)
        except (KeyboardInterrupt, OSError) as error:
            raise _Past(error) from None

    command.invoke = guarded  # type: ignore[method-assign, assignment]
    try:
        command(prog_name=name)
    except _Past as past:
        raise past.error from past.error.__cause__
    finally:
        sys.stdout.flush()


def _drop_output() -> None:
    """Send what a closed pipe did not take to nowhere, or Python complains about it when it exits."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _count(items: Iterable[str]) -> dict[str, int]:
    from collections import Counter

    return dict(Counter(items).most_common())
