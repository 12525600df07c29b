"""A run that is not finished: all that training needs to go on where it was cut, in one file of the run folder.

The file stands from the end of the first epoch to the end of the run. It always shows the end of an epoch: it is
written aside and put in place in one act, so that a process may be killed at any moment.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from ssd.training.history import Epoch
from ssdprep.disk import put_in_place
from ssdprep.record import Finding, Severity, SsdprepError
from ssdprep.wording import quoted

if TYPE_CHECKING:
    from ssd.pipeline import Example
    from ssd.run import Run
    from ssd.training.stages import Recipe

STATE = "unfinished.npz"
UNFINISHED = "RUN001"
_SHORT = 40  # characters of a value in a message


@dataclass(frozen=True)
class Unfinished:
    """Where a run stands at the end of an epoch.

    identity: what the run is made from, as JSON types; weights: of ``model.variables``, in their order; slots: of
    ``optimizer.variables`` (moments, averages, the count of steps), those of the stage that the last epoch is in.
    """

    identity: Mapping[str, Any]
    history: tuple[Epoch, ...]
    weights: tuple[np.ndarray, ...]
    slots: tuple[np.ndarray, ...]

    @staticmethod
    def stored(folder: Path) -> bytes:
        """What `save` wrote; nothing where there is no unfinished run. `SsdprepError` for an unreadable file."""
        path = folder / STATE
        if not path.exists():
            return b""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise _damaged(folder, error) from error
        if not data:
            raise _damaged(folder, "it is empty")
        return data

    @classmethod
    def parse(cls, data: bytes, folder: Path) -> Unfinished:
        """The run that was `stored` in ``folder``. `SsdprepError` where it is damaged."""
        try:
            with np.load(io.BytesIO(data)) as stored:
                told = json.loads(bytes(stored["told"]))
                history = tuple(Epoch(**line) for line in told["history"])
                return cls(told["identity"], history, _arrays(stored, "weight"), _arrays(stored, "slot"))
        except (EOFError, BadZipFile, ValueError, KeyError, TypeError) as error:
            raise _damaged(folder, error) from error

    def save(self, folder: Path) -> None:
        """Put the state in place of the one before."""
        told = json.dumps({"identity": self.identity, "history": [vars(line) for line in self.history]})
        numbered = {f"{kind}/{i}": v for kind in ("weight", "slot") for i, v in enumerate(getattr(self, f"{kind}s"))}
        with put_in_place(folder / STATE) as partial, partial.open("wb") as file:
            np.savez(file, told=np.frombuffer(told.encode(), np.uint8), **numbered)
            file.flush()
            os.fsync(file.fileno())

    def require_same(self, identity: Mapping[str, Any], folder: Path) -> None:
        """`SsdprepError` names what differs between the unfinished run and one of this identity."""
        from ssd.training.stages import Recipe  # computes when it is loaded, after which devices cannot be chosen

        before = _flat(_as_json({"recipe": Recipe().to_dict()})) | _flat(self.identity)  # what it knew no option for
        now = _flat(_as_json(identity))
        changed = [key for key in before | now if before.get(key) != now.get(key)]
        if changed:
            raise SsdprepError(
                f"{folder} holds an unfinished run that this one cannot continue: "
                + "; ".join(_difference(key, before.get(key), now.get(key)) for key in changed),
                f"{_begun_by(folder)}, to go on; --force, to begin anew; or another --out",
            )


def not_finished(folder: Path) -> tuple[Finding, ...]:
    """A finding for whoever uses a run that was cut, or is still being trained."""
    if not (folder / STATE).exists():
        return ()
    message = "its training is not finished: this is the best of its epochs so far"
    remedy = f"{_begun_by(folder)} goes on; then run this again"
    return (Finding(UNFINISHED, Severity.WARNING, folder, 0, message, remedy),)


def _begun_by(folder: Path) -> str:
    """The command that began a run, as it was typed, where the run tells."""
    from ssd.run import CONFIG  # with Keras, see `Unfinished.require_same`

    unknown = "the ssd.train command that began it"
    try:
        begun = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["begun"]
        command, place, out = begun["command"], Path(begun["in"]), Path(begun["out"])
    except (OSError, ValueError, KeyError, TypeError):  # cut before its first epoch ended, or trained from Python
        return unknown
    if out != folder.resolve():
        return unknown
    return command if place == Path.cwd() else f"cd {quoted(place)} && {command}"


def _damaged(folder: Path, what: object) -> SsdprepError:
    return SsdprepError(f"{folder / STATE} cannot be read: {what}", "train anew with --force")


def identity_of_run(
    run: Run, training: Sequence[Example], validation: Sequence[Example], recipe: Recipe, seed: int, weights: Any
) -> dict[str, Any]:
    """What a run is made from, as JSON types; of photos and labels a hash. weights: a name for those it starts from."""
    return _as_json(
        {
            "preset": run.config.to_dict(),
            "classes": run.labels.names,
            "weights": weights,
            "recipe": recipe.to_dict(),
            "seed": seed,
            "photos": {"train": _fingerprint(training), "val": _fingerprint(validation)},
        }
    )


def _fingerprint(examples: Sequence[Example]) -> str:
    """A hash of the photos' names and sizes, in pixels and in bytes, their boxes and classes, in their order."""
    digest = hashlib.sha256()
    for example in examples:
        place = example.shard[0] if example.shard else Path(example.source)
        size = place.stat().st_size if place.is_file() else 0
        digest.update(f"{Path(example.source).name} {example.size} {size} {len(example.ids)}\n".encode())
        for values in (example.boxes, example.ids, example.difficult):
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _arrays(stored: Any, kind: str) -> tuple[np.ndarray, ...]:
    count = sum(name.startswith(f"{kind}/") for name in stored.files)
    return tuple(stored[f"{kind}/{i}"] for i in range(count))


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(values))


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """{"recipe": {"batch": 16}} as {"recipe batch": 16}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{above}{key} ") if isinstance(value, dict) else {f"{above}{key}": value}
    return flat


def _difference(key: str, before: Any, now: Any) -> str:
    if key.startswith("photos "):
        return f"the {key.removeprefix('photos ')} photos or their labels have changed"
    old, new = (text if len(text := str(value)) <= _SHORT else "another" for value in (before, now))
    return f"{key.removeprefix('recipe ').replace('_', ' ')} was {old}, is {new}"
