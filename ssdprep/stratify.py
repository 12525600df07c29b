"""Items shared out so that each class is in every part in its proportion. Labels in, parts out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import lcm

FEW = 2  # photos; a class with no more cannot be in three parts, and is worth most where it is learnt

_NEGATIVE = ""  # the stratum of photos without objects; no class has this name
_DONORS = 64  # photos that are tried when a class is brought into a part that lacks it
_KINDS = 32  # sets of classes in a part that are tried when a class is evened out
_LOOSE = 50  # a class may be off its share by one photo, or by one of so many


def stratify(
    labels: Sequence[Iterable[str]],
    shares: dict[str, Fraction],
    groups: Iterable[Sequence[int]] = (),
    settled: Mapping[int, str] | None = None,
) -> list[str]:
    """A part for each item, by iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011) with fixed sizes.

    It deals out in one pass; swaps then mend what the pass could not: classes missing in a part, or off their share.

    labels: the classes of each item, none for a negative. Of items that are alike the earlier are dealt out first, so
    shuffle before. shares: of each part, ``train`` first, 1 together. Parts have the sizes of `apportion`. Items of a
    class with one or two go to train, beyond its size if need be; a class with more is brought into every part that
    can hold it, the more frequent class first.

    groups: places of items that stay together, none in two groups. They are dealt out whole, the largest first, and
    never swapped; a group counts as one item where it is asked whether a class is rare. A part may be larger than its
    size where a group fits nowhere.

    settled: the parts of items that are in one already, whole groups of them. They stay there; the others fill up what
    parts lack of their shares of all items, as `top_up` has it.
    """
    deal = _Deal([frozenset(names) or frozenset({_NEGATIVE}) for names in labels], shares, groups, settled or {})
    deal.settle_rare()
    deal.settle_groups()
    deal.settle_rest()
    deal.bring_in_missing()
    deal.even_out()
    return deal.part


def count_units(labels: Sequence[Iterable[str]], groups: Iterable[Sequence[int]]) -> Counter[str]:
    """In how many items each class is, where a group counts as one; labels, groups: as in `stratify`."""
    groups = list(groups)
    grouped = {item for group in groups for item in group}
    units = [*groups, *([item] for item in range(len(labels)) if item not in grouped)]
    return Counter(name for unit in units for name in {name for item in unit for name in labels[item]})


def apportion(count: int, shares: dict[str, Fraction]) -> dict[str, int]:
    """Whole numbers that add up to ``count``, each within one of its share, by largest remainders.

    A part that would get nothing gets one where the giver stays within one of its own share; ``train`` always.
    """
    due = {name: share * count for name, share in shares.items()}
    sizes = {name: int(amount) for name, amount in due.items()}
    by_remainder = sorted(due, key=lambda name: (sizes[name] - due[name], sizes[name] > 0))
    for name in by_remainder[: count - sum(sizes.values())]:
        sizes[name] += 1
    for name in sorted(sizes, key=lambda name: (name != "train", -due[name])):
        giver = max(sizes, key=lambda other: sizes[other] - due[other])
        least = 1 if name == "train" else 2
        if due[name] and not sizes[name] and sizes[giver] >= due[giver] and sizes[giver] >= least:
            sizes[giver] -= 1
            sizes[name] += 1
    return sizes


def top_up(has: Mapping[str, int], count: int, shares: Mapping[str, Fraction]) -> dict[str, int]:
    """How many of ``count`` further items each part gets, so that all are shared out as well as can be.

    has: the items of each part so far. A part that has more than its share already gets none.
    """
    total = sum(has.values()) + count
    lacking = {name: max(share * total - has[name], Fraction()) for name, share in shares.items()}
    due = {name: amount * count / (sum(lacking.values()) or 1) for name, amount in lacking.items()}
    sizes = {name: int(amount) for name, amount in due.items()}
    for name in sorted(due, key=lambda name: sizes[name] - due[name])[: count - sum(sizes.values())]:
        sizes[name] += 1
    return sizes


class _Deal:
    """Items on their way into parts. Whole numbers throughout, so that every machine decides alike."""

    def __init__(
        self,
        labels: Sequence[frozenset[str]],
        shares: dict[str, Fraction],
        groups: Iterable[Sequence[int]],
        settled: Mapping[int, str],
    ) -> None:
        self.labels = labels
        self.groups = sorted((sorted(group) for group in groups), key=lambda group: (-len(group), group))
        grouped = {item for group in self.groups for item in group}
        units = [*self.groups, *([item] for item in range(len(labels)) if item not in grouped)]
        self.units = count_units(labels, self.groups)
        self.shares = shares
        self.part = [""] * len(labels)
        self.total = Counter(name for names in labels for name in names)
        self.left = self.total.copy()
        self.sizes = Counter(settled.values())
        self.room = self._room(len(labels) - len(settled))
        self.has: dict[str, Counter[str]] = {name: Counter() for name in shares}
        self.unit = lcm(*(share.denominator for share in shares.values()))
        self.weight = {name: int(share * self.unit) for name, share in shares.items()}
        rare = [unit for unit in units if any(self._is_rare(name) for item in unit for name in labels[item])]
        self.rare = {item for unit in rare for item in unit if item not in settled}
        self.fixed = self.rare | grouped | settled.keys()  # never swapped
        for item, part in settled.items():
            self.room[part] += 1
            self._put(item, part)

    def settle_rare(self) -> None:
        """Items of rare classes to train; where they are too many for it, the other parts shrink in proportion."""
        if len(self.rare) > self.room["train"]:
            held = {name: share for name, share in self.shares.items() if name != "train" and share}
            rest = sum(self.room.values()) - len(self.rare)
            shares = {name: share / sum(held.values()) for name, share in held.items()}
            self.room = {**dict.fromkeys(self.room, 0), **self._room(rest, shares), "train": len(self.rare)}
        for item in sorted(self.rare):
            self._put(item, "train")

    def settle_groups(self) -> None:
        """Each group to the part that is furthest from its share of the group's rarest class, among those it fits."""
        for group in self.groups:
            if self.part[group[0]]:  # of a rare class, or settled
                continue
            label = min(
                {name for item in group for name in self.labels[item]}, key=lambda name: (self.total[name], name)
            )
            fitting = [part for part, room in self.room.items() if room >= len(group)]
            most = max(self.room, key=lambda part: self.room[part])
            target = max(fitting, key=lambda part: self._wanted(label, part), default=most)
            for item in group:
                self._put(item, target)

    def settle_rest(self) -> None:
        """The class with the fewest items left is dealt out first: later it would find no room."""
        items: dict[str, list[int]] = {name: [] for name in self.total}
        for item, names in enumerate(self.labels):
            for name in names:
                items[name].append(item)
        while waiting := [name for name, count in self.left.items() if count]:
            label = min(waiting, key=lambda name: (self.left[name], name))
            for item in items[label]:
                if not self.part[item]:
                    self._put(item, self._best(label))

    def bring_in_missing(self) -> None:
        """Swap items so that every class with enough of them is in every part, the frequent classes first."""
        for label in sorted(self.total, key=lambda name: (-self.total[name], name)):
            for part in self.shares:
                if self.total[label] > FEW and not self.has[part][label]:
                    self._bring_in(label, part)

    def even_out(self) -> None:
        """Swap items while that brings classes nearer to their shares: dealing out leaves the last no choice."""
        kinds: dict[str, dict[frozenset[str], list[int]]] = {part: {} for part in self.shares}
        for item, names in enumerate(self.labels):
            if item not in self.fixed:
                kinds[self.part[item]].setdefault(names, []).append(item)
        while swap := self._relief({part: [k for k in of if of[k]][:_KINDS] for part, of in kinds.items()}):
            one, mine, other, yours = swap
            first, second = kinds[one][mine].pop(), kinds[other][yours].pop()
            self._swap(first, second)
            kinds[one].setdefault(yours, []).append(second)
            kinds[other].setdefault(mine, []).append(first)

    def _room(self, count: int, shares: dict[str, Fraction] | None = None) -> dict[str, int]:
        """How many further items each part is to get."""
        shares = shares or self.shares
        if not self.sizes:
            return apportion(count, shares)
        return top_up({name: self.sizes[name] for name in shares}, count, shares)

    def _relief(self, kinds: dict[str, list[frozenset[str]]]) -> tuple[str, frozenset[str], str, frozenset[str]] | None:
        """The swap that helps most, for the class and part that are furthest off; None where nothing helps."""
        off = [(abs(self._wanted(label, part)), label, part) for part in self.shares for label in self.total]
        for amount, label, one in sorted(off, reverse=True):
            if amount * _LOOSE <= self.unit * max(self.total[label], _LOOSE):
                continue
            swaps = [
                (self._gain(one, mine, other, yours), (one, mine, other, yours))
                for mine in kinds[one]
                for other in self.shares
                for yours in kinds[other]
                if other != one and (label in mine) != (label in yours)
            ]
            gain, swap = max(swaps, key=lambda each: each[0], default=(0, None))
            if gain > 0:
                return swap
        return None

    def _gain(self, one: str, mine: frozenset[str], other: str, yours: frozenset[str]) -> int:
        """By how much a swap lessens the sum of squares of what parts are off; 0 if it takes a part's last."""
        gain = 0
        for giver, taker, names in ((one, other, mine - yours), (other, one, yours - mine)):
            for name in names:
                if self.has[giver][name] == 1:
                    return 0
                gain += self._wanted(name, taker) - self._wanted(name, giver) - self.unit
        return gain

    def _is_rare(self, name: str) -> bool:
        return name != _NEGATIVE and self.units[name] <= FEW

    def _best(self, label: str) -> str:
        """The part that is furthest from its share of a class; the last items go where the class is missing."""
        open_parts = [part for part, room in self.room.items() if room]
        lacking = [part for part in open_parts if not self.has[part][label]]
        if self.total[label] > FEW and self.left[label] <= len(lacking):
            open_parts = lacking
        return max(open_parts, key=lambda part: (self._wanted(label, part), self.room[part]))

    def _wanted(self, label: str, part: str) -> int:
        return self.weight[part] * self.total[label] - self.unit * self.has[part][label]

    def _put(self, item: int, part: str) -> None:
        self.part[item] = part
        self.room[part] -= 1
        self.has[part].update(self.labels[item])
        self.left.subtract(self.labels[item])

    def _bring_in(self, label: str, part: str) -> None:
        """Swap an item of the class for one of the part: the pair most alike that robs no class as frequent."""
        movable = [item for item in range(len(self.labels)) if item not in self.fixed]
        givers = [i for i in movable if label in self.labels[i] and self.has[self.part[i]][label] > 1][:_DONORS]
        takers = [item for item in movable if self.part[item] == part]
        pairs = ((len(self.labels[i] ^ self.labels[j]), i, j) for i in givers for j in takers)
        best = min((pair for pair in pairs if self._may_swap(label, *pair[1:])), default=None)
        if best is not None:
            self._swap(*best[1:])

    def _may_swap(self, label: str, one: int, other: int) -> bool:
        mine, yours = self.labels[one], self.labels[other]
        lost = [(self.part[one], name) for name in mine - yours] + [(self.part[other], name) for name in yours - mine]
        return all(self.has[part][name] > 1 or self.total[name] < self.total[label] for part, name in lost)

    def _swap(self, one: int, other: int) -> None:
        for item, part in ((one, self.part[other]), (other, self.part[one])):
            self.has[self.part[item]].subtract(self.labels[item])
            self.has[part].update(self.labels[item])
            self.part[item] = part
