"""Static 8-bit quantisation of the convolutions that take most of a voice's time and size."""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

QUANTISED = re.compile(r"/(decoder|flow)/")
RESBLOCK = re.compile(r"/decoder/resblocks\.(\d+)/")


def quantize(source: Path, target: Path, examples: Sequence[dict[str, np.ndarray]]) -> None:
    """Write `source`, the graph of a `SpeakingGraph`, with 8-bit convolutions in its flow and decoder.

    examples: inputs for calibration, which determines the range of each layer's activations.
    Text encoder and duration predictor stay in float32, so that durations stay the same. So do the decoder's last
    blocks and its last layer: they have few weights and few channels, so that 8 bits save nothing there, and their
    errors are audible as noise that no later layer smooths (the sample's voice: 3.6 dB mel cepstral distance with them
    in 8 bits, 0.3 without). Weights use 7 of the 8 bits: older processors overflow otherwise.
    """
    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        quant_pre_process(str(source), str(folded), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(folded),
            str(target),
            _CalibrationReader(examples),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_quantize=_layers(folded),
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )


def _layers(model: Path) -> list[str]:
    """Names of the convolutions to quantise."""
    nodes = onnx.load(model).graph.node
    names = [node.name for node in nodes if node.op_type == "Conv" and QUANTISED.search(node.name)]
    stages = sum(node.op_type == "ConvTranspose" for node in nodes)
    blocks = 1 + max(_block(name) for name in names)
    in_last = [name for name in names if _block(name) >= blocks * (stages - 1) // stages]
    return [name for name in names if name not in in_last and "/decoder/conv_post" not in name]


def _block(name: str) -> int:
    """Index of the decoder's residual block that a layer is in; -1 for other layers."""
    match = RESBLOCK.search(name)
    return int(match[1]) if match else -1


class _CalibrationReader(quantization.CalibrationDataReader):
    def __init__(self, examples: Sequence[dict[str, np.ndarray]]) -> None:
        self._remaining = iter(examples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._remaining, None)
