"""What was taken for what: the confusion matrix of a detector, with background as a class of its own."""

from __future__ import annotations

import numpy as np

from ssd.evaluation.hits import IOU, Judged
from ssd.overlaps import Ints


def confusion(judged: Judged) -> Ints:
    """Counts (n_classes + 2, n_classes + 1): row by label, column by what was found there; 0 is background.

    Every label counts once: first it takes the detection of its own class that COCO gives it (IoU 0.5), then labels and
    detections that are left are paired whatever their class, the most certain detection first. Column 0 counts labels
    that got none, row 0 detections on no label, the last row those on a label that has one already.
    """
    found, truth, pairs = judged.found, judged.truth, judged.pairs
    on_it = pairs.iou >= IOU
    left = on_it & ~judged.right[pairs.found] & ~judged.is_found[pairs.truth]
    hit = np.where(judged.right, judged.hit, judged.hit_among(left))
    again = (hit < 0) & np.isin(np.arange(len(hit)), pairs.found[on_it])
    rows = np.where(again, judged.n_classes + 1, np.append(truth.classes, 0)[hit])
    counts = np.zeros((judged.n_classes + 2, judged.n_classes + 1), np.int64)
    np.add.at(counts, (rows, found.classes), 1)
    lost = ~np.isin(np.arange(len(truth.order)), hit)
    counts[:-1, 0] += np.bincount(truth.classes[lost], minlength=judged.n_classes + 1)
    return counts
