"""Commands against each other in interleaved rounds, each a process of its own: their costs as ratios to a floor."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
_AS_INSTALLED = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


class Cost(NamedTuple):
    """Of one run."""

    wall: float  # seconds
    cpu: float  # seconds of all its processes together
    rss: float  # MB, of the largest of its processes


@dataclass(frozen=True)
class Contender:
    """A command; ``before`` brings its input back to where it was, untimed."""

    name: str
    command: Sequence[str | Path]
    cores: int = 1  # that it may use
    before: Callable[[], object] = lambda: None
    codes: tuple[int, ...] = (0,)  # exit codes that are no failure
    env: dict[str, str] = field(default_factory=dict)


def costs(contender: Contender) -> Cost:
    """Run a command once, on as many cores as it may use. Raises ``RuntimeError`` with its words if it fails."""
    contender.before()
    cores = sorted(os.sched_getaffinity(0))[: contender.cores]
    start = time.perf_counter()
    with subprocess.Popen(
        [str(part) for part in contender.command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**_AS_INSTALLED, "TF_CPP_MIN_LOG_LEVEL": "3", **contender.env},
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if process.returncode not in contender.codes:
        raise RuntimeError(f"{contender.name} failed: {said.decode(errors='replace')[-2000:]}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def race(contenders: Sequence[Contender], rounds: int) -> dict[str, list[Cost]]:
    """Each contender once a round, one after the other, so that what else the machine does falls on all alike."""
    found: dict[str, list[Cost]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders:
            _say(f"{contender.name}, round {number + 1} of {rounds}")
            found[contender.name].append(costs(contender))
    _say("")
    return found


def table(found: dict[str, list[Cost]], floor: str, limits: dict[str, str] | None = None) -> str:
    """Medians in Markdown; ratios are medians of the ratios within each round."""
    lines = ["| | CPU s | CPU ratio | wall s | wall ratio | MB | target |", "|---|---|---|---|---|---|---|"]
    for name, runs in found.items():
        base = found[floor]
        cells = (
            name,
            f"{median(run.cpu for run in runs):.2f}",
            f"{ratio(runs, base, 'cpu'):.2f}",
            f"{median(run.wall for run in runs):.2f}",
            f"{ratio(runs, base, 'wall'):.2f}",
            f"{max(run.rss for run in runs):.0f}",
            (limits or {}).get(name, ""),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ratio(runs: Sequence[Cost], base: Sequence[Cost], what: str) -> float:
    """The median over the rounds of one contender's cost divided by another's."""
    return median(getattr(run, what) / getattr(other, what) for run, other in zip(runs, base, strict=True))


def _say(text: str) -> None:
    """What runs now, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
