"""Half precision, 8-bit and 4-bit variants of the other models, by ONNX Runtime's own tools.

Reads models/{smollm2,minilm,efficientnet-lite0,focus-vit} and writes a folder for each variant beside them, with the
tokenizer and settings of its model. Names of variants as arguments build only those; one that is there is left alone.
"""

import logging
import shutil
import sys

import numpy as np
import onnx
from onnxruntime import quantization as q
from onnxruntime.quantization import shape_inference
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.transformers.float16 import convert_float_to_float16
from PIL import Image
from tokenizers import Tokenizer

from common import MODELS, say

# What activations of the language models are measured on. None of it is a
# prompt of the tests.
TEXTS = [
    "The quick brown fox jumps over the lazy dog. It was a bright cold day in April, and the clocks were striking.",
    "Water boils at 100 degrees Celsius at sea level; at higher altitudes it boils at lower temperatures.",
    "def add(a, b):\n    return a + b\n\nprint(add(1, 2))",
    "Question: Who wrote the play Hamlet? Answer: William Shakespeare, around the year 1600, in London.",
]


class Samples(q.CalibrationDataReader):
    def __init__(self, feeds):
        self.feeds = iter(feeds)

    def get_next(self):
        return next(self.feeds, None)


def half(source, path, base):
    """Everything in float16, inputs and outputs, too; but what resamples position embeddings, which fails then."""
    model = onnx.load(source)
    kept = [n.name for n in model.graph.node if n.name.startswith("/backbone/embeddings/") or n.op_type == "Resize"]
    save(convert_float_to_float16(model, keep_io_types=False, node_block_list=kept), path)


def dynamic(source, path, base):
    """DynamicQuantizeLinear, MatMulInteger, Cast, Mul, as quantize_dynamic writes them; embeddings stay float."""
    q.quantize_dynamic(source, path, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, weight_type=q.QuantType.QInt8)


def static(fmt, ops, feeds):
    """Activations in uint8 whose ranges are measured, weights in int8, one scale for each channel."""

    def build(source, path, base):
        options = {"ActivationSymmetric": False, "WeightSymmetric": True}
        q.quantize_static(
            source, path, Samples(feeds(base)), quant_format=fmt, op_types_to_quantize=ops, per_channel=True,
            activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8, extra_options=options,
        )

    return build


def blocks(source, path, base):
    """MatMulNBits with blocks of 32 weights, 4 bits and a zero point each."""
    quantizer = MatMulNBitsQuantizer(onnx.load(source), block_size=32, is_symmetric=False)
    quantizer.process()
    save(quantizer.model.model, path)


def save(model, path):
    large = model.ByteSize() > 1 << 26
    onnx.save_model(model, path, save_as_external_data=large, location=path.name + "_data", size_threshold=1024)


def texts(base):
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    for text in TEXTS:
        yield {"input_ids": np.array([tokenizer.encode(text).ids], dtype=np.int64)}


def crops(base):
    """Eight crops of the flower, scaled as preprocessor_config.json says."""
    image = Image.open(base / "flower.jpg").convert("RGB")
    rng = np.random.default_rng(0)
    for _ in range(8):
        side = int(rng.uniform(0.5, 1) * min(image.size))
        x, y = (int(rng.uniform(0, n - side + 1)) for n in image.size)
        pixels = np.asarray(image.crop((x, y, x + side, y + side)).resize((224, 224), Image.Resampling.BICUBIC))
        yield {"inputs": ((pixels.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]}


VARIANTS = {
    "smollm2-fp16": half,
    "smollm2-int8": dynamic,
    "smollm2-qdq": static(q.QuantFormat.QDQ, ["MatMul"], texts),
    "smollm2-int4": blocks,
    "minilm-fp16": half,
    "minilm-int8": dynamic,
    "efficientnet-lite0-fp16": half,
    "efficientnet-lite0-qdq": static(q.QuantFormat.QDQ, None, crops),
    "efficientnet-lite0-qoperator": static(q.QuantFormat.QOperator, None, crops),
    "focus-vit-fp16": half,
}


def main(names):
    logging.disable(logging.WARNING)  # a line for every scale that is set
    for name in names or VARIANTS:
        base, out = MODELS / name.rsplit("-", 1)[0], MODELS / name
        if (out / "model.onnx").exists():
            continue
        say(f"quantizing {name}")
        part = out.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for file in base.iterdir():
            if not file.name.startswith("model."):
                shutil.copyfile(file, part / file.name)
        VARIANTS[name](prepared(base, part), part / "model.onnx", base)
        (part / "prepared.onnx").unlink(missing_ok=True)
        shutil.rmtree(out, ignore_errors=True)
        part.rename(out)
        size = sum(f.stat().st_size for f in out.glob("model.onnx*"))
        say(f"{name}: {size >> 20} MiB, {len(onnx.load(out / 'model.onnx', load_external_data=False).graph.node)} nodes")


def prepared(base, part):
    """The model; of a convnet without its batch norms, which ONNX Runtime's tools want folded."""
    if not base.name.startswith("efficientnet"):
        return base / "model.onnx"
    path = part / "prepared.onnx"
    shape_inference.quant_pre_process(base / "model.onnx", path, skip_symbolic_shape=True)
    return path


if __name__ == "__main__":
    main(sys.argv[1:])
