# SPDX-License-Identifier: Apache-2.0
"""Compares engines with ONNX Runtime: one engine for each model, many batch sizes and lengths, 8 inputs each.

    agree.py --models DIR                models as NAME.onnx with a sample in NAME.inputs.npz
    agree.py --shared DIR                a folder with materialize.py, which makes those first
    agree.py --only bert_base,silero_vad --json out.json

The error of a case is that of its worst output: relative L2 after each side lost its mean over the 8 inputs.

An output that the model dequantizes is counted in steps of its scale instead: the share of elements more than one step
off. Here the reference is ONNX Runtime without rewrites, since its own integer kernels saturate on machines without
VNNI; how far ONNX Runtime with them is from itself is printed beside it.
"""

import argparse
import itertools
import json
import pathlib
import subprocess
import sys
import time

import numpy as np

import mjlib

LIMIT = 1e-4
STEP_LIMIT = 0.02
BATCHES = (1, 3, 8)
LENGTHS = {"bert_base": {"S": (1, 17, 128, 512)}, "bert_base_dynamo": {"S": (1, 17, 128, 512)},
           "lstm_am": {"T": (1, 37, 200)}, "ocr": {"p2o.DynamicDimension.1": (64, 320, 488)}}
MODELS = ("resnet50", "resnet50_dynamo", "bert_base", "bert_base_dynamo", "tabular_mlp", "lstm_am", "resnet50_qdq")
PACKAGED = {"ocr": ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx"),
            "silero_vad": ("silero_vad", "data/silero_vad.onnx")}
BATCH_NAMES = ("N", "p2o.DynamicDimension.0")
SHORT = {"p2o.DynamicDimension.0": "N", "p2o.DynamicDimension.1": "W"}


def sizes_of(name):
    """Every combination of batch and length to try: {dimension: size}."""
    lengths = LENGTHS.get(name, {})
    for batch, *values in itertools.product(BATCHES, *lengths.values()):
        yield {dim: batch for dim in BATCH_NAMES} | dict(zip(lengths, values))


def cases(name, reference, folder, inputs):
    """Yields (title, feeds, carry) as mjlib.run_steps takes them."""
    if name == "silero_vad":  # chunks one after the other, the state carried; the rate chooses a branch of an If
        for batch, (rate, samples) in itertools.product(BATCHES, ((16000, 576), (8000, 288))):
            rng = np.random.default_rng([batch, rate])
            hum = np.sin(np.arange(samples) * 2 * np.pi * 150 / rate)
            feeds = [{"input": (hum * rng.uniform(0, 0.5, (batch, 1)) + rng.normal(0, 0.02, (batch, samples)))
                      .astype(np.float32), "sr": np.array(rate, np.int64)} for _ in range(inputs)]
            yield f"N={batch} sr={rate}", feeds, {"stateN": ("state", np.zeros((2, batch, 128), np.float32))}
        return
    if name == "ocr":
        sample = {"x": np.zeros((1, 3, 48, 320), np.float32)}
    else:
        with np.load(folder / f"{name}.inputs.npz") as archive:
            sample = dict(archive)
    used = {dim for value in reference.inputs for dim in value.shape if isinstance(dim, str)}
    for sizes in sizes_of(name):
        feeds = [mjlib.draw_feed(reference.inputs, sample, sizes, seed) for seed in range(inputs)]
        yield " ".join(f"{SHORT.get(dim, dim)}={size}" for dim, size in sizes.items() if dim in used), feeds, {}


def steps_of(model):
    """{output: scale} of the outputs that come straight out of a DequantizeLinear with one scale."""
    import onnx

    graph = onnx.load(model).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    last = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    scales = {output.name: constants.get(last[output.name].input[1]) for output in graph.output if output.name in last}
    return {output: float(onnx.numpy_helper.to_array(scale).item()) for output, scale in scales.items() if scale}


def off_by_steps(a, b, scale):
    """The share of elements that are more than one step apart."""
    return float(np.mean(np.abs(np.rint((a - b) / scale)) > 1))


def compare_steps(title, scales, theirs, rewritten, ours):
    """A row for outputs that were quantized."""
    off = {output: off_by_steps(theirs[output], ours[output], scale) for output, scale in scales.items()}
    own = max(off_by_steps(theirs[output], rewritten[output], scale) for output, scale in scales.items())
    worst = max(off.values())
    ok = worst <= STEP_LIMIT
    print(f"  {title:20} {worst:9.2%} more than a step off  {'ok' if ok else 'MISSED'}   "
          f"({own:.2%} between ONNX Runtime with rewrites and without)", flush=True)
    return {"case": title, "off_by_steps": off, "reference_off_by_steps": own, "ok": ok}


def compare(name, model, folder, options):
    """Compiles, runs every case on both sides and yields a row for each."""
    engine = mjlib.ROOT / "build/agree" / f"{name}.engine"
    reference = mjlib.Reference(model, options.threads)
    # What a network with choices inside is verified on: the first input of each case that takes another path.
    samples = []
    if name in PACKAGED:
        firsts = [feeds[0] | {to: start for to, start in carry.values()} for _, feeds, carry in cases(name, reference, folder, 1)]
        samples = firsts[:2]
    try:
        print(f"{name}: compiled in {mjlib.compile_engine(model, engine, samples=samples):.1f} s", flush=True)
    except mjlib.Failed as failure:
        print(failure, flush=True)
        yield {"model": name, "case": "compile", "failure": str(failure), "ok": False}
        return
    scales = steps_of(model)
    written = mjlib.Reference(model, options.threads, as_written=True) if scales else None
    for title, feeds, carry in cases(name, reference, folder, options.inputs):
        start = time.perf_counter()
        theirs = reference.run_steps(feeds, carry)
        between = time.perf_counter()
        try:
            ours = mjlib.run_steps(engine, feeds, carry)
        except mjlib.Failed as failure:
            print(f"  {title:20} {failure}", flush=True)
            yield {"model": name, "case": title, "failure": str(failure), "ok": False}
            continue
        if scales:
            yield {"model": name} | compare_steps(title, scales, written.run_steps(feeds, carry), theirs, ours)
        errors = {output: mjlib.centred_error(theirs[output], ours[output]) if output in ours else float("inf")
                  for output in theirs if output not in scales}
        if not errors:
            continue
        worst = max(errors.values())
        print(f"  {title:20} {worst:9.1e}  {'ok' if worst <= LIMIT else 'MISSED'}   "
              f"{between - start:.1f} s ONNX Runtime, {time.perf_counter() - between:.1f} s ours", flush=True)
        yield {"model": name, "case": title, "errors": errors, "ok": worst <= LIMIT}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, help="folder of NAME.onnx and NAME.inputs.npz")
    parser.add_argument("--shared", type=pathlib.Path, help="folder with materialize.py")
    parser.add_argument("--only", help="names, comma-separated")
    parser.add_argument("--inputs", type=int, default=8, help="of each case; fewer for a quick look")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=pathlib.Path, default=mjlib.ROOT / "build/agree/agree.json")
    options = parser.parse_args()

    names = options.only.split(",") if options.only else [*MODELS, *PACKAGED]
    folder = options.models
    if options.shared:
        folder = folder or mjlib.ROOT / "build/models"
        missing = [name for name in names if name not in PACKAGED and not (folder / f"{name}.bin").exists()]
        if missing:
            subprocess.run([sys.executable, options.shared / "materialize.py", *missing, "--out", folder], check=True)
    if folder is None and any(name not in PACKAGED for name in names):
        parser.error("say where the models are (--models or --shared), or choose with --only " + ",".join(PACKAGED))

    environment = mjlib.machine()
    print(f"{environment['cpu']}, {environment['isa']}, {options.threads} threads, {environment['date']}")
    print(f"largest centred relative L2 error of an output over {options.inputs} inputs; at most {LIMIT:g} is asked")
    rows = []
    for name in names:
        model = mjlib.packaged(*PACKAGED[name]) if name in PACKAGED else folder / f"{name}.onnx"
        rows += compare(name, model, folder, options)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"schema": "millijoule.agree/1", "environment": environment, "limit": LIMIT,
                                        "rows": rows}, indent=1))
    missed = [f"{row['model']} {row['case']}" for row in rows if not row["ok"]]
    print(f"{len(rows) - len(missed)} of {len(rows)} cases agree", *(f"missed: {case}" for case in missed), sep="\n")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
