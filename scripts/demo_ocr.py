# SPDX-License-Identifier: Apache-2.0
"""Reads lines of text from pictures with a trained network (PP-OCRv4 recogniser) compiled by Millijoule.

The pictures are rendered here, so the truth is known. One engine serves every width. The same pictures go to ONNX
Runtime, which should read the same text from nearly the same numbers.
"""

import argparse
import difflib
import itertools
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import mjlib

TEXTS = [
    "Fewest joules first", "never silently wrong", "Invoice 2026-0417", "Total: 1,284.50", "kettle", "0123456789",
    "The quick brown fox jumps", "over the lazy dog.", "Flight LH 438, Gate B27", "call 030 901820", "Page 3 of 12",
    "Open from 8:30 to 17:00", "Room 114", "x = 3.14159", "Weights are packed once", "ONNX in, engine out",
    "7.6 MWh a year", "temperature 21.5", "Please mind the gap", "Serial no. 88-31-A7", "between two stations",
    "half a second at 155 W", "milk, bread, 6 eggs", "thank you",
]
HEIGHT = 48
FONTS = ["DejaVuSans.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf"]


def font(index, size):
    try:
        return ImageFont.truetype(FONTS[index % len(FONTS)], size)
    except OSError:  # fonts-dejavu-core is not installed
        return ImageFont.load_default(size)


def render(text, index):
    """f32[3,48,W], W a multiple of 64, dark text on a light ground; scaled as the network was trained."""
    face = font(index, 28 + index % 3 * 2)
    left, top, right, bottom = face.getbbox(text)
    width = -(-(right - left + 16) // 64) * 64
    picture = Image.new("RGB", (width, HEIGHT), (245, 243, 238))
    ImageDraw.Draw(picture).text((8 - left, (HEIGHT - bottom - top) // 2), text, (20, 20, 30), face)
    return (np.asarray(picture, np.float32).transpose(2, 0, 1) / 255 - 0.5) / 0.5


def decode(scores, characters):
    """Best class of each column, repeats merged, blanks (class 0) dropped."""
    best = scores.argmax(-1)
    return ["".join(characters[c - 1] for c, _ in itertools.groupby(line) if c) for line in best]


def accuracy(truth, read):
    """Share of the truth's characters that were read, in order."""
    matching = difflib.SequenceMatcher(None, truth, read, autojunk=False).get_matching_blocks()
    return sum(block.size for block in matching) / len(truth)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=mjlib.pathlib.Path, default=mjlib.ROOT / "build/demo")
    options = parser.parse_args()

    model = mjlib.packaged("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx")
    engine = options.out / "ocr.engine"
    reference = mjlib.Reference(model, options.threads)
    characters = reference.metadata["character"].split("\n") + [" "]
    name, output = reference.inputs[0].name, reference.outputs[0]

    pictures = [render(text, index) for index, text in enumerate(TEXTS)]
    print(f"compiling {model.name} ...", flush=True)
    seconds = mjlib.compile_engine(model, engine, samples=[{name: picture[None]} for picture in pictures[:2]])
    print(f"compiled and verified in {seconds:.1f} s\n")

    rows, errors, timings = [], [], []
    for width, group in itertools.groupby(sorted(range(len(TEXTS)), key=lambda i: pictures[i].shape[2]),
                                          key=lambda i: pictures[i].shape[2]):
        group = list(group)
        batch = {name: np.stack([pictures[i] for i in group])}
        ours = mjlib.run_engine(engine, batch, "--threads", options.threads)[output]
        theirs = reference.run(batch)[output]
        errors.append(mjlib.relative_error(theirs, ours))
        shape = "x".join(map(str, batch[name].shape))
        record = mjlib.millijoule_json("bench", engine, "--shapes", f"{name}={shape}", "--threads", options.threads,
                                       "--duration", 0.5)
        timings.append((width, len(group), record["results"]["latency_ms"]["median"] / len(group),
                        reference.time_ms(batch, 0.5) / len(group), record))
        for i, read, other in zip(group, decode(ours, characters), decode(theirs, characters)):
            rows.append((i, read, other, accuracy(TEXTS[i], read)))

    print(f"{'read':28}{'truth':28}right  as ONNX Runtime")
    for i, read, other, right in sorted(rows):
        print(f"{read:28}{TEXTS[i]:28}{right:5.0%}  {'same' if read == other else 'read ' + other}")
    total = sum(len(text) for text in TEXTS)
    correct = sum(right * len(TEXTS[i]) for i, _, _, right in rows)
    same = sum(read == other for _, read, other, _ in rows)
    print(f"\naccuracy: {correct / total:.2%} of {total} characters against the truth")
    print(f"agreement with ONNX Runtime: {same} of {len(rows)} lines equal, relative L2 error {max(errors):.1e}\n")

    print(f"{'width':>5} {'lines':>5} {'ms/line':>8} {'ONNX Runtime':>13}")
    for width, lines, ours, theirs, _ in timings:
        print(f"{width:5} {lines:5} {ours:8.2f} {theirs:13.2f}")
    width, lines, _, _, record = max(timings, key=lambda timing: timing[1])
    print(f"\nenergy, {lines} lines of {width} px at once:\n{mjlib.energy_text(record)}")
    environment = mjlib.machine()
    print(f"\n{environment['cpu']}, {environment['isa']}, {options.threads} threads, {environment['date']}")
    print(f"the engine: {engine}")
    sys.exit(0 if same == len(rows) and max(errors) <= 1e-3 else 1)


if __name__ == "__main__":
    main()
