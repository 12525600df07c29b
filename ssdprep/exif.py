"""The verb fix-exif: photos and boxes agree on which way is up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssdprep.orient import Frame, Turn
from ssdprep.record import Finding, Track, untracked


@dataclass(frozen=True)
class FixReport:
    """What fix-exif found and did."""

    findings: tuple[Finding, ...] = ()

    @property
    def exit_code(self) -> int:
        return 0

    def to_dict(self) -> dict[str, Any]:
        return {}


def fix_exif(
    root: Path,
    *,
    dry_run: bool = False,
    frame: Frame = "auto",
    images: str = "rewrite",
    turned: Turn | None = None,
    strip_gps: bool = False,
    track: Track = untracked,
    jobs: int = 0,
) -> FixReport:
    """Make photos and boxes agree on which way is up."""
    raise NotImplementedError
