"""What the vote of suppressed boxes is worth: `python tests/measure_voting.py RUN DATA [--split NAME]`.

Without --split, on the photos that training set aside. docs/how-ssd-works.md has what it printed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ssdprep.tensorflow import import_tensorflow

import_tensorflow()

from ssd.data import open_source, readable, train_and_val  # noqa: E402
from ssd.evaluation.measuring import score  # noqa: E402
from ssd.run import Run  # noqa: E402


def main() -> None:
    """Print AP50 and AP for some thresholds of suppression, with the vote and without."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split")
    parser.add_argument("--seed", type=int, default=0, help="that the run was trained with")
    args = parser.parse_args()
    run = Run.load(args.run)
    source = open_source(args.data, run.labels)
    examples = source.split(args.split) if args.split else train_and_val(source, args.seed)[1]
    examples, _ = readable(examples)
    print(f"{len(examples)} photos\n\n| suppressed above IoU | vote | AP50 | AP |\n|---|---|---|---|")
    for iou in (0.4, 0.45, 0.5):
        for vote in (False, True):
            found = list(run.detect(examples, nms_iou=iou, vote=vote))
            figures = score(examples, found, run.labels.names)
            print(f"| {iou} | {'yes' if vote else 'no'} | {figures.AP50:.3f} | {figures.AP:.3f} |")


if __name__ == "__main__":
    main()
