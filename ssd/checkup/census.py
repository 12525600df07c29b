"""What a data set holds, part by part, as training shares it out: photos, photos without objects, boxes by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ssd.data import Source, train_and_val
from ssd.examples import Example
from ssdprep.record import Finding, Severity

NOT_TRAINED, NOT_VALIDATED, NOT_TESTED = "DOC001", "DOC002", "DOC003"

Parts = Mapping[str, Sequence[Example]]


@dataclass(frozen=True)
class Part:
    """One part of a data set, by the name of its split."""

    name: str
    photos: int
    negatives: int  # photos without objects
    boxes: dict[str, int]  # of every class of the label map, in its order

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def parts_of(source: Source, seed: int) -> dict[str, Sequence[Example]]:
    """Train and val as training takes them, and test where there is one."""
    training, validation = train_and_val(source, seed)
    tested = source.splits.get("test", ())
    return {"train": training, "val": validation} | ({"test": tested} if tested else {})


def census(parts: Parts, classes: Sequence[str]) -> tuple[Part, ...]:
    """The counts of each part."""
    return tuple(_counted(name, examples, classes) for name, examples in parts.items())


def _counted(name: str, examples: Sequence[Example], classes: Sequence[str]) -> Part:
    found = Counter(i for example in examples for i in example.ids.tolist())
    boxes = {label: found[i] for i, label in enumerate(classes, start=1)}
    return Part(name, len(examples), sum(not len(example.ids) for example in examples), boxes)


def census_findings(parts: Sequence[Part], data: Path, shared_out_anew: str) -> Iterator[Finding]:
    """Classes that a part lacks. shared_out_anew: the command that splits the photos again."""
    by_name = {part.name: part.boxes for part in parts}
    train = by_name["train"]
    for name in train:
        elsewhere = [f"{boxes[name]} in {part}" for part, boxes in by_name.items() if boxes[name]]
        if not train[name] and elsewhere:
            message = f"class {name!r} has no box in train ({', '.join(elsewhere)}): it cannot be learnt"
            remedy = f"share the photos out anew: {shared_out_anew}; or label some of it in train"
            yield Finding(NOT_TRAINED, Severity.ERROR, data, 0, message, remedy)
        elif train[name]:
            yield from _unmeasured(name, by_name, data, shared_out_anew)


def _unmeasured(
    name: str, by_name: Mapping[str, dict[str, int]], data: Path, shared_out_anew: str
) -> Iterator[Finding]:
    said = {
        "val": (NOT_VALIDATED, "the checkpoint is chosen without it"),
        "test": (NOT_TESTED, "how well it is found will not be known"),
    }
    for part, (code, so) in said.items():
        if part in by_name and not by_name[part][name]:
            message = f"class {name!r} has no box in {part}: {so}"
            yield Finding(code, Severity.WARNING, data, 0, message, f"label more of it, then {shared_out_anew}")
