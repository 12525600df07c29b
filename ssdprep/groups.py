"""Groups made by joining two keys at a time. Knows no photos."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Groups(Generic[Key]):
    """Keys that are joined two by two; at first each is alone."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._leader = {key: key for key in keys}

    def leader(self, key: Key) -> Key:
        """The same for all members of a group, until it is joined with another."""
        leader = self._leader
        while leader[key] != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    def join(self, one: Key, other: Key) -> None:
        """Make one group of those that hold the two."""
        self._leader[self.leader(other)] = self.leader(one)

    def found(self) -> list[tuple[Key, ...]]:
        """Groups of two and more, in the order of the keys."""
        members: dict[Key, list[Key]] = {}
        for key in self._leader:
            members.setdefault(self.leader(key), []).append(key)
        return [tuple(group) for group in members.values() if len(group) > 1]


def joined(keys: Iterable[Key], groups: Iterable[Sequence[Key]]) -> list[tuple[Key, ...]]:
    """The groups that groups with a member in common make together, in the order of the keys."""
    made = Groups(keys)
    for first, *rest in groups:
        for key in rest:
            made.join(first, key)
    return made.found()
