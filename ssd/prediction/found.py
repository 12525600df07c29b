"""What was found on a picture: the value that drawings, tables and annotations are made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssdprep.record import Object, Size


@dataclass(frozen=True)
class Found:
    """What was found on a photo or on a frame of a video: objects, best first, each with its score."""

    image: Path  # the photo or the video
    name: str  # its path below the folder that was given
    size: Size  # upright
    objects: tuple[Object, ...]
    scores: tuple[float, ...]
    frame: int | None = None  # of a video, from 0
    seconds: float | None = None  # from its start
    drawn: Path | None = None
    boxes_drawn: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON types; boxes in pixels of the upright picture."""
        where = {} if self.frame is None else {"frame": self.frame, "seconds": self.seconds}
        drawn = {} if self.drawn is None else {"drawn": str(self.drawn), "boxes_drawn": self.boxes_drawn}
        return {
            "image": str(self.image),
            **where,
            "width": self.size.width,
            "height": self.size.height,
            **drawn,
            "objects": [
                {"name": thing.name, "score": score, **thing.box._asdict()}
                for thing, score in zip(self.objects, self.scores, strict=True)
            ],
        }
