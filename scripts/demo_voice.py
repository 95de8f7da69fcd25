# SPDX-License-Identifier: Apache-2.0
"""Finds speech in a recording with silero-vad compiled by Millijoule, 32 ms at a time, as a microphone would hand it.

espeak-ng speaks a few sentences, pauses of known length lie between them. The network's memory (its LSTM state) stays
in the session from chunk to chunk. ONNX Runtime hears the same recording and should answer the same probabilities.
"""

import argparse
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
import wave

import numpy as np

import mjlib

SENTENCES = [
    (1.0, "Millijoule compiles a trained network into an engine."),
    (1.5, "It answers with the fewest joules that the hardware allows."),
    (0.7, "Are you still listening?"),
    (2.0, "Then this was the last sentence, goodbye."),
]
RATE = 16000
CHUNK = 512  # 32 ms, what the network was trained on
CONTEXT = 64  # the end of the chunk before stands in front of each chunk


def speak(text):
    """f32 samples at 16 kHz. espeak-ng writes 22050 Hz; the spectrum above 8 kHz is cut off."""
    done = subprocess.run(["espeak-ng", "-v", "en-gb", "-s", "150", "--stdout", text], capture_output=True, check=True)
    with wave.open(io.BytesIO(done.stdout)) as sound:
        rate, data = sound.getframerate(), sound.readframes(sound.getnframes())
    samples = np.frombuffer(data, "<i2") / 32768
    count = round(len(samples) * RATE / rate)
    spectrum = np.fft.rfft(samples)[: count // 2 + 1]
    return (np.fft.irfft(spectrum, count) * count / len(samples)).astype(np.float32)


def record():
    """(samples, [(start, end) of each sentence in s]); a little noise, as no room is silent."""
    pieces, spoken, at = [], [], 0
    for pause, text in SENTENCES:
        speech = speak(text)
        loud = np.flatnonzero(np.abs(speech) > 0.01)
        speech = speech[loud[0] : loud[-1] + 1]
        pieces += [np.zeros(int(pause * RATE), np.float32), speech]
        at += len(pieces[-2])
        spoken.append((at / RATE, (at + len(speech)) / RATE))
        at += len(speech)
    samples = np.concatenate([*pieces, np.zeros(RATE, np.float32)])
    return samples + np.random.default_rng(0).normal(0, 1e-3, len(samples)).astype(np.float32), spoken


def chunks(samples):
    """f32[steps, 1, 576]: each chunk of 512 samples with the 64 samples before it."""
    samples = np.pad(samples, (CONTEXT, -len(samples) % CHUNK))
    starts = range(0, len(samples) - CONTEXT, CHUNK)
    return np.stack([samples[start : start + CONTEXT + CHUNK] for start in starts])[:, None]


def segments(probabilities, start_above=0.5, end_below=0.35, shortest_speech_ms=250, shortest_silence_ms=100):
    """[(start, end)] in s. Speech ends where the probability fell for good, that is for the shortest silence."""
    chunk_ms = CHUNK / RATE * 1e3
    found, start, quiet_since = [], None, None
    for step, probability in enumerate(probabilities):
        if probability >= start_above:
            quiet_since = None
            start = step if start is None else start
        elif probability < end_below and start is not None:
            quiet_since = step if quiet_since is None else quiet_since
            if (step - quiet_since) * chunk_ms >= shortest_silence_ms:
                found.append((start, quiet_since))
                start = quiet_since = None
    if start is not None:
        found.append((start, len(probabilities)))
    return [(a * chunk_ms / 1e3, b * chunk_ms / 1e3) for a, b in found if (b - a) * chunk_ms >= shortest_speech_ms]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=mjlib.pathlib.Path, default=mjlib.ROOT / "build/demo")
    options = parser.parse_args()
    if not shutil.which("espeak-ng"):
        sys.exit("espeak-ng is not installed; ./run demo-voice installs it")

    model = mjlib.packaged("silero_vad", "data/silero_vad.onnx")
    engine = options.out / "voice.engine"
    samples, spoken = record()
    steps = chunks(samples)
    state, rate = np.zeros((2, 1, 128), np.float32), np.array(RATE, np.int64)
    print(f"compiling {model.name} ...", flush=True)
    heard = [{"input": steps[len(steps) // 2], "state": state, "sr": rate}]
    print(f"compiled and verified in {mjlib.compile_engine(model, engine, samples=heard):.1f} s")

    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/in.npz", input=steps, state=state, sr=rate)
        report = json.loads(mjlib.millijoule(
            "run", engine, "--inputs", f"{folder}/in.npz", "--outputs", f"{folder}/out.npz", "--stream", "input",
            "--carry", "stateN=state", "--threads", options.threads, "--json", "-").stdout)
        ours = np.load(f"{folder}/out.npz")["output"].reshape(-1)

    reference = mjlib.Reference(model, options.threads)
    start = time.perf_counter()
    theirs = reference.run_steps([{"input": step, "sr": rate} for step in steps], {"stateN": ("state", state)})
    reference_ms = (time.perf_counter() - start) * 1e3 / len(steps)
    theirs = theirs["output"].reshape(-1)

    print(f"\n{len(samples) / RATE:.1f} s of sound, {len(steps)} chunks; speech, in seconds:")
    print(f"{'heard':>16}   {'ONNX Runtime':>16}")
    heard, other = segments(ours), segments(theirs)
    for a, b in zip(heard + [None] * len(other), other + [None] * len(heard)):
        if a or b:
            print("   ".join(f"{x[0]:7.2f} -{x[1]:7.2f}" if x else " " * 16 for x in (a, b)))
    print("spoken: " + ", ".join(f"{a:.2f} - {b:.2f}" for a, b in spoken))
    inside = np.zeros(len(steps), bool), np.zeros(len(steps), bool)
    for intervals, marks in zip((heard, spoken), inside):
        for a, b in intervals:
            marks[round(a * RATE / CHUNK) : round(b * RATE / CHUNK)] = True
    print(f"\nright about speech or silence in {np.mean(inside[0] == inside[1]):.1%} of the chunks "
          "(pauses between words count as speech here)")
    worst = np.abs(ours - theirs).max()
    print(f"agreement with ONNX Runtime: largest difference of a probability {worst:.1e}, segments "
          f"{'equal' if heard == other else 'NOT equal'}")
    latency = report["results"]["latency_ms"]
    print(f"ms per 32 ms chunk: median {latency['median']:.3f}, p99 {latency['p99']:.3f}; "
          f"ONNX Runtime {reference_ms:.3f} (mean, through Python)")
    environment = mjlib.machine()
    print(f"{environment['cpu']}, {environment['isa']}, {options.threads} thread(s), {environment['date']}")
    print(f"the engine: {engine}")
    sys.exit(0 if heard == other and worst <= 1e-3 else 1)


if __name__ == "__main__":
    main()
