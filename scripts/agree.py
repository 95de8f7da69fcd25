# SPDX-License-Identifier: Apache-2.0
"""Compares engines with ONNX Runtime: one engine for each model, many sizes of its free dimensions, 8 inputs each.

    agree.py --models DIR                models as NAME.onnx with a sample in NAME.inputs.npz
    agree.py --shared DIR                a folder with materialize.py, which makes those first
    agree.py --only bert_base,silero_vad --json out.json

The error of a case is that of its worst output: relative L2 after each side lost its mean over the 8 inputs. Where ONNX
Runtime refuses the sizes, the engine must refuse them too, with a message.

An output that the model dequantizes is counted in steps of its scale instead: the share of elements more than one step
off. Here the reference is ONNX Runtime without rewrites, since its own integer kernels saturate on machines without
VNNI; how far ONNX Runtime with them is from itself is printed beside it.
"""

import argparse
import dataclasses
import itertools
import json
import pathlib
import subprocess
import sys
import time
import typing

import numpy as np

import mjlib

LIMIT = 1e-4
STEP_LIMIT = 0.02
BATCHES = (1, 3, 8)
SILERO = {"input": ("N", "samples"), "state": (2, "N", 128)}


@dataclasses.dataclass
class Model:
    """What a network is tried at."""

    # Of its free dimensions besides the batch N: {"T": (1, 37)}, or several that go together: {"H W": ((32, 64), ...)}.
    sizes: dict = dataclasses.field(default_factory=dict)
    package: tuple = ()  # (module, file inside it); else the model lies in the folder, with a sample
    shapes: dict = dataclasses.field(default_factory=dict)  # of a packaged model's inputs: its file may name no dimension
    largest: dict = dataclasses.field(default_factory=dict)  # of its integer inputs
    carry: dict = dataclasses.field(default_factory=dict)  # {output: input of the next step}, from zeros
    image: typing.Callable = mjlib.noise_image


MODELS = {
    "resnet50": Model(),
    "resnet50_dynamo": Model(),
    "resnet50_qdq": Model(),
    "mobilenet_v3_large": Model(),
    "efficientnet_b0": Model(),
    "vit_b_16": Model(),
    "unet_small": Model(),
    "yolov8n": Model(),
    "bert_base": Model({"S": (1, 17, 128, 512)}),
    "bert_base_dynamo": Model({"S": (1, 17, 128, 512)}),
    "minilm_l6": Model({"S": (3, 17, 128, 512)}),  # to one token alone it answers nearly the same whatever it is
    "wav2vec2_base": Model({"T": (399, 400, 4321, 16000)}),
    "conformer_small": Model({"T": (1, 37, 200)}),
    "lstm_am": Model({"T": (1, 37, 200)}),
    "tabular_mlp": Model(),
    "ocr": Model({"H W": ((32, 320), (48, 64), (48, 320), (48, 488))},
                 ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx"), {"x": ("N", 3, "H", "W")}),
    "ocr_det": Model({"H W": ((32, 32), (96, 320), (160, 64), (100, 64))},
                     ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx"), {"x": ("N", 3, "H", "W")},
                     image=mjlib.text_image),
    "ocr_cls": Model({"H W": ((48, 192), (48, 100), (80, 320))},
                     ("rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx"), {"x": ("N", 3, "H", "W")}),
    "magika": Model({}, ("magika", "models/standard_v3_3/model.onnx"), {"bytes": ("N", 2048)}, {"bytes": 256}),
    "basic_pitch": Model({}, ("basic_pitch", "saved_models/icassp_2022/nmp.onnx"),
                         {"serving_default_input_2:0": ("N", 43844, 1)}),
    "silero_vad": Model({"sr samples": ((16000, 576), (8000, 288), (16000, 1024))},
                        ("silero_vad", "data/silero_vad.onnx"), SILERO | {"sr": ()}, {}, {"stateN": "state"}),
    "silero_vad_16k_op15": Model({"sr samples": ((16000, 576), (16000, 1024))},
                                 ("silero_vad", "data/silero_vad_16k_op15.onnx"), SILERO | {"sr": ()}, {},
                                 {"stateN": "state"}),
    "silero_vad_half": Model({"samples": (576, 1024)}, ("silero_vad", "data/silero_vad_half.onnx"), SILERO, {},
                             {"stateN": "state"}),
    "silero_vad_op18_ifless": Model({"sr samples": ((16000, 576), (8000, 288), (16000, 1024))},
                                    ("silero_vad", "data/silero_vad_op18_ifless.onnx"), SILERO | {"sr": ()}, {},
                                    {"stateN": "state"}),
    "silero_vad_openvino_16k": Model({}, ("silero_vad", "data/silero_vad_openvino_16k.onnx"),
                                     {"input": (1, 576), "state": (2, 1, 128)}, {}, {"stateN": "state"}),
    "silero_vad_16k_sequence": Model({"L": (1, 3, 50)}, ("silero_vad", "data/silero_vad_16k_sequence.onnx"),
                                     {"input": ("L", 576), "h": (1, 1, 128), "c": (1, 1, 128)}, {},
                                     {"hn": "h", "cn": "c"}),
}


def sizes_of(model, free):
    """Every combination of the sizes to try: {dimension: size}."""
    choices = [[{"N": batch} for batch in BATCHES]] if "N" in free else []
    for names, values in model.sizes.items():
        names = names.split()
        choices.append([dict(zip(names, value if len(names) > 1 else [value])) for value in values])
    for chosen in itertools.product(*choices):
        yield {dim: size for part in chosen for dim, size in part.items()}


def inputs_of(model, reference, folder, name):
    """The model's inputs with names for their free dimensions, and an example of each."""
    if not model.package:
        with np.load(folder / f"{name}.inputs.npz") as archive:
            return reference.inputs, dict(archive)
    inputs, sample = [], {}
    for value in reference.inputs:
        shape = model.shapes[value.name]
        inputs.append(mjlib.Input(value.name, shape))
        example = np.zeros([dim if isinstance(dim, int) else 1 for dim in shape], mjlib.DTYPES[value.type])
        sample[value.name] = example + example.dtype.type(model.largest.get(value.name, 0))
    return inputs, sample


def cases(name, model, reference, folder, inputs):
    """Yields (title, feeds, carry) as mjlib.run_steps takes them."""
    values, sample = inputs_of(model, reference, folder, name)
    free = {dim for value in values for dim in value.shape if isinstance(dim, str)}
    for sizes in sizes_of(model, free):
        feeds = [mjlib.draw_feed(values, sample, sizes, seed, model.image) for seed in range(inputs)]
        for feed in feeds:  # a scalar that has a size's name: the rate that goes with a number of samples
            feed |= {key: np.array(size, sample[key].dtype) for key, size in sizes.items() if key in sample}
        carry = {output: (to, np.zeros_like(feeds[0][to])) for output, to in model.carry.items()}
        feeds = [{key: x for key, x in feed.items() if key not in model.carry.values()} for feed in feeds]
        yield " ".join(f"{dim}={size}" for dim, size in sizes.items()) or "as it is", feeds, carry


def samples_of(name, model, reference, folder):
    """What a network with choices inside is verified on: an input of each case that can be run."""
    for _, feeds, carry in cases(name, model, reference, folder, 1):
        sample = feeds[0] | {to: start for to, start in carry.values()}
        try:
            reference.run(sample)
        except Exception:  # ONNX Runtime's own kinds have no common base
            continue
        yield sample


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


def compare(name, folder, options):
    """Compiles, runs every case on both sides and yields a row for each."""
    model = MODELS[name]
    path = mjlib.packaged(*model.package) if model.package else folder / f"{name}.onnx"
    engine = mjlib.ROOT / "build/agree" / f"{name}.engine"
    reference = mjlib.Reference(path, options.threads)
    samples = list(itertools.islice(samples_of(name, model, reference, folder), 2)) if model.package else []
    try:
        print(f"{name}: compiled in {mjlib.compile_engine(path, engine, samples=samples):.1f} s", flush=True)
    except mjlib.Failed as failure:
        print(failure, flush=True)
        yield {"model": name, "case": "compile", "failure": str(failure), "ok": False}
        return
    scales = steps_of(path)
    written = mjlib.Reference(path, options.threads, as_written=True) if scales else None
    for title, feeds, carry in cases(name, model, reference, folder, options.inputs):
        start = time.perf_counter()
        try:
            theirs = reference.run_steps(feeds, carry)
        except Exception as error:
            yield refused(name, title, engine, feeds, carry, str(error))
            continue
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


def refused(name, title, engine, feeds, carry, theirs):
    """The row of a case that ONNX Runtime does not run."""
    row = {"model": name, "case": title, "onnxruntime": theirs, "refusal": "", "ok": False}
    try:
        mjlib.run_steps(engine, feeds, carry)
    except mjlib.Failed as failure:
        row["refusal"] = str(failure).splitlines()[-1]
        row["ok"] = failure.returncode in (1, 2, 3)
    print(f"  {title:20} {'refused on both sides' if row['ok'] else 'NOT REFUSED'}   {row['refusal']}", flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, help="folder of NAME.onnx and NAME.inputs.npz")
    parser.add_argument("--shared", type=pathlib.Path, help="folder with materialize.py")
    parser.add_argument("--only", help="names, comma-separated")
    parser.add_argument("--inputs", type=int, default=8, help="of each case; fewer for a quick look")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=pathlib.Path, default=mjlib.ROOT / "build/agree/agree.json")
    options = parser.parse_args()

    names = options.only.split(",") if options.only else [*MODELS]
    if unknown := set(names) - set(MODELS):
        parser.error(f"no such model: {', '.join(sorted(unknown))}; there are {', '.join(MODELS)}")
    in_folder = [name for name in names if not MODELS[name].package]
    folder = options.models
    if options.shared:
        folder = folder or mjlib.ROOT / "build/models"
        missing = [name for name in in_folder if not (folder / f"{name}.bin").exists()]
        if missing:
            subprocess.run([sys.executable, options.shared / "materialize.py", *missing, "--out", folder], check=True)
    if folder is None and in_folder:
        parser.error("say where the models are (--models or --shared), or choose others with --only")

    environment = mjlib.machine()
    print(f"{environment['cpu']}, {environment['isa']}, {options.threads} threads, {environment['date']}")
    print(f"largest centred relative L2 error of an output over {options.inputs} inputs; at most {LIMIT:g} is asked")
    rows = []
    for name in names:
        rows += compare(name, folder, options)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"schema": "millijoule.agree/1", "environment": environment, "limit": LIMIT,
                                        "rows": rows}, indent=1))
    missed = [f"{row['model']} {row['case']}" for row in rows if not row["ok"]]
    print(f"{len(rows) - len(missed)} of {len(rows)} cases agree", *(f"missed: {case}" for case in missed), sep="\n")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
