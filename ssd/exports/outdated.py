"""Exports that were written before the detector that now lies in their run folder; loads no runtime."""

from __future__ import annotations

from pathlib import Path

from ssd.run import MODEL
from ssdprep.record import Finding, Severity
from ssdprep.wording import quoted

FOLDER = "exports"  # in a run folder
OUTDATED = "RUN002"
BEFORE = "written before the detector: of an earlier epoch, or another training"


def outdated(run: Path) -> tuple[Finding, ...]:
    """A finding for each such export in a run folder."""
    exports = sorted(path for path in (run / FOLDER).glob("*") if path.with_name(f"{path.name}.json").exists())
    remedy = f"python -m ssd.export {quoted(run)} --force, with the --format (and --nms) that it has"
    return tuple(
        Finding(OUTDATED, Severity.WARNING, path, 0, BEFORE, remedy) for path in exports if is_outdated(path, run)
    )


def is_outdated(export: Path, run: Path) -> bool:
    """Was it written before the detector in the run folder?"""
    return export.stat().st_mtime_ns < (run / MODEL).stat().st_mtime_ns
