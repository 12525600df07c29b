"""The only module that prints. Answers go to stdout, everything said on the way to stderr."""

from __future__ import annotations

import gc
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import length_hint
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ssdprep.record import Finding, Report, Severity, SsdprepError, T

if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import Console, RenderableType
    from typer import Typer

quiet = False
debug = False
as_json = False
interrupted = False
_PLACES = 6  # of one finding on a terminal, before the rest is only counted; a pipe and --json get all
_PIPE = 10_000  # columns
_KINDS = 20  # of findings on a terminal, likewise
_COLOUR = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


class Next(NamedTuple):
    """The one command that usually comes after; shown last, below the findings."""

    command: str
    note: str = ""


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

    # No markup, no emoji: a class may be called [red]apple, a folder :new:. A pipe has no width to squeeze tables into.
    width = None if stream.isatty() else _PIPE
    return Terminal(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=width is not None, width=width)


def say(line: str) -> None:
    """One line for the user, on stderr; silent with --quiet."""
    if not quiet:
        err().print(line)


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Pass the items through; on a terminal draw a bar with rate and time left meanwhile."""
    total = length_hint(items) or None if total is None else total
    items = _until_interrupted(items)
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


def _until_interrupted(items: Iterable[T]) -> Iterator[T]:
    for item in items:
        if interrupted:
            raise KeyboardInterrupt
        yield item


def _interrupt(*_: Any) -> NoReturn:
    """Ctrl-C. It is remembered: where a library is being imported, such as cv2, an ``except:`` there may swallow it."""
    global interrupted
    interrupted = True
    raise KeyboardInterrupt


def _terminate(number: int, _: Any) -> NoReturn:
    """A polite kill: what is half-written is taken back, as after Ctrl-C, and a second one does not disturb that."""
    global interrupted
    signal.signal(number, signal.SIG_IGN)
    interrupted = True
    sys.exit(128 + number)


def show(report: Report, render: Callable[[Any], Iterable[RenderableType | Next]]) -> NoReturn:
    """Print a verb's answer, as JSON or as ``render`` lays it out, its findings after it; leave with its exit code."""
    try:
        if as_json:
            _print_json(report.to_dict())
        else:
            _show_all(report, [] if quiet else list(render(report)))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:  # whatever the verb did is done
        _send_nowhere(sys.stdout)
        message = f"the work is done, but its report cannot be printed: {error.strerror}"
        raise SsdprepError(message, "ssdprep audit, to see how the data is now") from error
    raise SystemExit(report.exit_code)


def _show_all(report: Report, parts: Sequence[RenderableType | Next]) -> None:
    """What the verb did, what it found, and what comes next."""
    if not (parts or report.findings):
        return
    terminal = out()
    for part in parts:
        if not isinstance(part, Next):
            terminal.print(part)
    show_findings(report.findings)
    if report.findings and terminal.is_terminal:
        terminal.print()
    for part in parts:
        if isinstance(part, Next):
            _show_next(terminal, part)


def show_findings(findings: Iterable[Finding]) -> None:
    """The findings, the gravest first: each a line of its own in a pipe, by kind on a terminal."""
    order = list(Severity)
    ranked = sorted(findings, key=lambda finding: order.index(finding.severity))
    terminal = out()
    if terminal.is_terminal:
        _show_kinds(terminal, ranked)
    else:
        for finding in ranked:
            terminal.print(one_line(str(finding)))


def _show_kinds(terminal: Console, findings: Iterable[Finding]) -> None:
    """What shares code and remedy is said once, with the places it concerns."""
    from rich.table import Table
    from rich.text import Text

    kinds: dict[tuple[Severity, str, str], list[Finding]] = {}
    for finding in findings:
        kinds.setdefault((finding.severity, finding.code, finding.remedy), []).append(finding)
    for (severity, code, remedy), group in list(kinds.items())[:_KINDS]:
        times = f"  {len(group):,} times" if len(group) > 1 else ""
        terminal.print(Text.assemble("\n", (f"{severity} {code}", _COLOUR[severity]), (times, "dim")))
        places = Table.grid(padding=(0, 2, 0, 0))
        for finding in group[:_PLACES]:
            places.add_row("", Text(one_line(finding.place), overflow="fold"), Text(one_line(finding.message)))
        terminal.print(places)
        if len(group) > _PLACES:
            terminal.print(f"  ... and {len(group) - _PLACES:,} more", style="dim")
        cure = Table.grid(padding=(0, 1, 0, 0))
        cure.add_row(" ", Text("cure:", style="green"), one_line(remedy))
        terminal.print(cure)
    if hidden := list(kinds.values())[_KINDS:]:
        codes = ", ".join(dict.fromkeys(group[0].code for group in hidden))
        count = sum(map(len, hidden))
        terminal.print(f"... and {count:,} more: {codes} (| less or --json shows all)", style="dim")


def _show_next(terminal: Console, following: Next) -> None:
    from rich.text import Text

    note = f"    ({following.note})" if following.note else ""
    terminal.print(Text.assemble(("next:    ", "dim"), (following.command, "bold cyan"), (note, "dim")))


def _print_json(document: dict[str, Any]) -> None:
    narrow = "utf" not in (sys.stdout.encoding or "").lower()
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=narrow) + "\n")


def one_line(text: str) -> str:
    """Line breaks and whatever else a terminal would obey rather than show, as Python writes them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def fail(error: SsdprepError | OSError) -> NoReturn:
    """Say why the command could not run and what cures it, with --json as a document too; exit code 2."""
    from rich.text import Text

    if isinstance(error, OSError):
        from ssdprep.disk import remedy_for

        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        error = SsdprepError(message, remedy_for(error))
    if as_json:
        _print_json({"error": {"message": error.message, "remedy": error.remedy}})
    message, remedy = one_line(error.message), one_line(error.remedy)
    err().print(Text.assemble(("error: ", "bold red"), message, "\n", ("  try: ", "bold green"), remedy))
    raise SystemExit(2)


def run(app: Typer, name: str | None = None) -> NoReturn:
    """Run a command line: errors become one line with their cure, tracebacks only with --debug."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell may have it ignored
        signal.signal(signal.SIGINT, _interrupt)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a class name may have letters that the terminal has not
            stream.reconfigure(errors="backslashreplace")
    gc.set_threshold(500_000)  # by the million, values without cycles are looked through for cycles again and again
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
    finally:
        gc.disable()  # the end would look through everything once more
    raise SystemExit(0)


class _Past(BaseException):
    """Carries an error past typer, which ends a process on Ctrl-C and on a broken pipe in ways of its own."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _call(app: Typer, name: str | None) -> None:
    """Parse and run; wrong options and --help are typer's. What is left in the buffer is written here, not at exit."""
    from typer import BadParameter
    from typer.main import get_command

    usage_error: type[Exception] = BadParameter.__mro__[1]  # typer brings a click of its own, and does not say where
    command = get_command(app)
    invoke = command.invoke

    def guarded(context: Any) -> Any:
        try:
            return invoke(context)
        except (KeyboardInterrupt, OSError) as error:
            raise _Past(error) from None
        except usage_error as error:
            if "--json" in sys.argv:  # its own callback may not have been reached
                _print_json(_misuse(error, context))
            raise

    command.invoke = guarded  # type: ignore[method-assign, assignment]
    try:
        command(prog_name=name)
    except _Past as past:
        raise past.error from past.error.__cause__
    finally:
        sys.stdout.flush()


def _misuse(error: Any, context: Any) -> dict[str, Any]:
    """Wrong options as the document that `fail` prints."""
    where = (error.ctx or context).command_path
    return {"error": {"message": error.format_message(), "remedy": f"{where} --help"}}


def _drop_output() -> None:
    """What a closed pipe did not take goes nowhere, or Python complains about it when it exits."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _send_nowhere(stream)


def _send_nowhere(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
