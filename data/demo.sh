#!/bin/sh
# The whole line on a copy of the sample set: every command that a reader would type on a folder of their own.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(dirname "$here")/build/demo
rm -rf "$work" && mkdir -p "$work"
cp -R "$here/photos" "$work/photos"
cp -R "$here/photos" "$work/as-labelled"
cp "$here/start.h5" "$work/start.h5"
cd "$work"

say() { printf '\n\033[1;36m%s\033[0m\n' "$*"; }
run() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@"; }
judge() { run "$@" || [ $? -eq 1 ]; } # exit code 1: there are findings, which is what we want to see

say "1. Which way is up? The same tag means different things to LabelImg, OpenCV, Pillow and TensorFlow."
judge ssdprep fix-exif photos
say "   Some photos cannot tell by themselves. The report named both readings; those of this set were labelled with an old
   LabelImg, which showed photos as they are stored:"
judge ssdprep fix-exif photos --frame stored
run ssdprep preview photos --before as-labelled --out 1-before-and-after.png

say "2. What is in it?"
judge ssdprep audit photos
judge ssdprep xml2csv photos

say "3. Set photos aside for the test, then draw more from those that are left to train on."
judge ssdprep split photos --val 0.15 --test 0.25 --seed 1
judge ssdprep augment photos --rotate 15 --scale 0.2 --flip-h --brightness 0.2 --contrast 0.2 --copies 2
run ssdprep preview photos-augmented --out 2-augmented.png

say "4. Train, measure on the photos that were set aside, look. (start.h5: a small backbone that data/make_start.py trained"
say "   on other drawn scenes. On real photos start from ImageNet: --weights imagenet.)"
judge ssdprep tfrecord photos-augmented
run python -m ssd.train photos-augmented-tfrecord --preset mobilenet_v2_035_ssd_224 --weights start.h5 \
    --epochs "${EPOCHS:-60}" --out run
run python -m ssd.evaluate run photos-augmented-tfrecord --split test
run python -m ssd.predict run $(sed 's|.*|photos/&.jpg|' photos/ImageSets/Main/test.txt | head -n 12) --out predictions

say "Look at:"
printf '  %s\n' "$work/1-before-and-after.png   boxes as they were, and as they are" \
    "$work/2-augmented.png          what the detector learnt from" \
    "$work/run/curves.png           how it learnt" \
    "$work/predictions/             what it sees on photos it never saw"
