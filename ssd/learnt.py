"""Which photos a run learnt from, so that nobody takes what it finds on them for what it finds on others."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssd.data import Source, train_and_val
from ssd.examples import Example, chosen
from ssdprep.record import Finding, Severity, SsdprepError
from ssdprep.wording import counted

PHOTOS = "photos.csv"
LEARNT_FROM = "EVAL010"
_COLUMNS = ("part", "photo", "sha256")  # the last: `Example.digest`


@dataclass(frozen=True)
class Learnt:
    """What photos.csv of a run folder tells."""

    training: frozenset[str]  # digests
    validation: frozenset[str]  # paths of photos, or their names in TFRecords

    @classmethod
    def of(cls, run: Path) -> Learnt | None:
        """What a run folder holds of `photos_csv`; None for a run of an earlier version, which did not tell."""
        path = run / PHOTOS
        if not path.is_file():
            return None
        try:
            rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
            digests = frozenset(row["sha256"] for row in rows if row["part"] == "train")
            return cls(digests, frozenset(row["photo"] for row in rows if row["part"] == "val"))
        except (ValueError, KeyError, csv.Error) as error:
            raise SsdprepError(f"{path} cannot be read: {error}", "train it again, or delete that file") from error

    def finding(self, examples: Sequence[Example], data: Path, split: str | None) -> tuple[Finding, ...]:
        """A finding where some of the photos to be measured on are among those that were learnt from.

        split: what was asked for; nothing is said of the photos for training.
        """
        again = [example for example in examples if example.digest in self.training]
        if not again or split == "train":
            return ()
        severity = Severity.WARNING if split == "all" else Severity.ERROR
        message = (
            f"{len(again):,} of {counted(len(examples), 'photo')} are among those that it learnt from, such as"
            f" {Path(again[0].source).name}: how well it finds what is there says nothing about others"
        )
        remedy = (
            "photos that it has not seen; if they were shared out anew since, train anew, with another --out;"
            " ssdprep audit says whether they are copies"
        )
        return (Finding(LEARNT_FROM, severity, data, 0, message, remedy),)


def validation_of(learnt: Learnt | None, source: Source, seed: int) -> Sequence[Example]:
    """The split val of a run's data; without one what it set aside, as it recorded it, else drawn once more.

    Nothing where the recorded photos have other places or names by now.
    """
    if source.splits.get("val") or learnt is None or not learnt.validation:
        return train_and_val(source, seed)[1]
    whole = source.splits["all"]
    return chosen(whole, [i for i, each in enumerate(whole) if name_of(each, source.path) in learnt.validation])


def photos_csv(parts: Mapping[str, Sequence[Example]], data: Path) -> bytes:
    """What photos.csv holds: the photos of "train" and "val", by their paths below ``data`` and by their bytes."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    rows.writerows((part, name_of(each, data), each.digest) for part, examples in parts.items() for each in examples)
    return text.getvalue().encode()


def name_of(example: Example, data: Path) -> str:
    """The photo's path below the folder, or its name in a TFRecord."""
    return example.source if example.shard else Path(example.source).relative_to(data).as_posix()
