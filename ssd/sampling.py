"""Which photo each element of a training stream shows: a pure function of the seed and the element's number.

An epoch is a whole number of batches. In it every photo comes once; the rest of the last batch is filled by photos that
come a second time, and a set smaller than a batch comes as often as it takes. With ``balance``, photos that hold rare
classes come more often, others more seldom, and the epoch stays as long as it was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray


def steps_per_epoch(photos: int, batch: int) -> int:
    """Batches in an epoch: enough for every photo."""
    return max(1, math.ceil(photos / batch))


class Order:
    """The photos of an endless stream of batches, by random access.

    weights: (N,) how often each photo comes, in any unit. batch: elements in one step, over all workers. An epoch has
    ``length`` elements. `ValueError` where there is no photo.
    """

    def __init__(self, weights: ArrayLike, batch: int, seed: int) -> None:
        self._weights = np.asarray(weights, np.float64)
        if not len(self._weights):
            raise ValueError("there is no photo to train on")
        self._seed = seed
        self.batch = batch
        self.length = batch * steps_per_epoch(len(self._weights), batch)
        self._epoch = lru_cache(maxsize=2)(self._drawn)  # an epoch ends while workers are in the next one

    def photo(self, element: int) -> int:
        """The photo that element 0, 1, 2 ... of the stream shows."""
        epoch, place = divmod(element, self.length)
        return int(self._epoch(epoch)[place])

    def photos(self, step: int) -> list[int]:
        """The photos of a step, counted from 0 over all epochs."""
        return [self.photo(element) for element in range(step * self.batch, (step + 1) * self.batch)]

    def _drawn(self, epoch: int) -> NDArray[np.int64]:
        """An epoch in order: systematic sampling, so that each photo comes within one of as often as its weight asks.

        Photos lie side by side on a line, each as long as its weight, and are read off at even distances; both the
        order on the line and the order of what was read are permutations.
        """
        rng = np.random.default_rng([self._seed, epoch])
        line = rng.permutation(len(self._weights))
        ends = np.cumsum(self._weights[line])
        marks = (rng.random() + np.arange(self.length)) * (ends[-1] / self.length)
        chosen = np.searchsorted(ends, marks, side="right")
        return rng.permutation(line[np.minimum(chosen, len(line) - 1)])


def repeat_factors(ids: Sequence[ArrayLike], balance: float) -> NDArray[np.float64]:
    """How often each photo is to come so that rare classes are seen: float64 (N,), 1 for the commonest.

    ids: the class ids of each photo's objects. A class in a share f of the photos has the factor (most / f)**balance,
    where most is the largest share; a photo has the largest factor of its classes, without objects 1. 0 changes
    nothing, 0.5 is the square root of Gupta et al. 2019 (LVIS, appendix B.2) with the commonest class as threshold, 1
    the inverse of the frequency. `ValueError` for a balance outside 0..1.
    """
    if not 0 <= balance <= 1:
        raise ValueError(f"balance must lie in 0..1, not {balance}")
    held = [np.unique(np.asarray(each, np.int64)) for each in ids]
    photos = np.bincount(np.concatenate([*held, np.zeros(0, np.int64)]))
    factors = np.power(photos.max(initial=1) / np.maximum(photos, 1), balance)
    return np.array([factors[each].max(initial=1.0) for each in held])
