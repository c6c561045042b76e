"""One ONNX graph from token ids to the waveform, traced from `vits.generation`."""

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import VitsModel

from kurdtts_lib.vits.generation import decode, encode_text, expand, predict_durations
from kurdtts_lib.vits.weight_norm import folded_state

OPSET = 17
SHERPA_NOISE, SHERPA_DURATION_NOISE = 0.667, 0.8
"""Defaults of sherpa-onnx."""
EXAMPLE_TOKENS = 41
"""Tokens of the tracing example; the traced graph takes any number."""


class _Graph(nn.Module):
    def __init__(self, model: VitsModel) -> None:
        super().__init__()
        self.model = model


class SpeakingGraph(_Graph):
    """Speech of one clause with all random values as inputs, so that it can be reproduced and compared."""

    inputs = ("input_ids", "speed", "variation", "duration_noise", "noise")
    outputs = ("waveform", "durations")
    dynamic_axes: ClassVar = {
        "input_ids": {1: "positions"},
        "duration_noise": {2: "positions"},
        "noise": {2: "noise_frames"},
        "waveform": {0: "samples"},
        "durations": {0: "positions"},
    }

    def forward(
        self, input_ids: Tensor, speed: Tensor, noise_scale: Tensor, duration_noise: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The waveform (samples,) and the duration of each position in frames (positions,), integers as float32.

        input_ids: (1, positions). speed: (), 2 takes half the time. noise_scale: (), the input `variation`, a factor on
        the voice's own noise scales of melody and rhythm; 0 is deterministic. duration_noise: (1, 2, positions), and
        noise: (1, flow_size, any number of frames), standard normal. Speech longer than the noise reuses it from its
        start, because the number of frames is not known beforehand.
        """
        model = self.model
        prior = encode_text(model, input_ids)
        scaled_noise = duration_noise * (noise_scale * model.noise_scale_duration)
        durations = predict_durations(model, prior.hidden, speed * model.speaking_rate, scaled_noise)
        means, log_stddevs = (expand(values, durations) for values in (prior.means, prior.log_stddevs))
        frames = torch.arange(means.shape[2], device=means.device) % noise.shape[2]
        scaled_noise = noise.index_select(2, frames) * (noise_scale * model.noise_scale)
        return decode(model, means, log_stddevs, scaled_noise), durations[0]

    def example(self) -> tuple[Tensor, ...]:
        """Inputs to trace with."""
        ids = torch.arange(EXAMPLE_TOKENS).remainder(self.model.config.vocab_size)[None]
        noise = torch.ones(1, self.model.config.flow_size, 8)
        return ids, torch.tensor(1.0), torch.tensor(1.0), torch.zeros(1, 2, EXAMPLE_TOKENS), noise


class SherpaGraph(_Graph):
    """The same with the input names of sherpa-onnx, which passes no noise: the graph draws it."""

    inputs = ("x", "x_length", "noise_scale", "length_scale", "noise_scale_w")
    outputs = ("y",)
    dynamic_axes: ClassVar = {"x": {1: "L"}, "y": {2: "S"}}

    def forward(
        self, x: Tensor, x_length: Tensor, noise_scale: Tensor, length_scale: Tensor, noise_scale_w: Tensor
    ) -> Tensor:
        """The waveform, (1, 1, samples).

        x: (1, positions). The others: (1,). sherpa's defaults, 0.667, 1 and 0.8, give the voice's own noise scales and
        speaking rate.
        """
        model = self.model
        prior = encode_text(model, x[:, : x_length[0]])
        scale = noise_scale_w * (model.noise_scale_duration / SHERPA_DURATION_NOISE)
        scaled_noise = torch.randn_like(prior.hidden[:, :2]) * scale
        durations = predict_durations(model, prior.hidden, model.speaking_rate / length_scale, scaled_noise)
        means, log_stddevs = (expand(values, durations) for values in (prior.means, prior.log_stddevs))
        scale = noise_scale * (model.noise_scale / SHERPA_NOISE)
        return decode(model, means, log_stddevs, torch.randn_like(means) * scale)[None, None]

    def example(self) -> tuple[Tensor, ...]:
        """Inputs to trace with."""
        ids = torch.arange(EXAMPLE_TOKENS).remainder(self.model.config.vocab_size)[None]
        return ids, torch.tensor([EXAMPLE_TOKENS]), torch.tensor([0.667]), torch.tensor([1.0]), torch.tensor([0.8])


def plain_model(model: VitsModel) -> VitsModel:
    """A float32 CPU copy for inference only, with weight norm folded, in eval mode whatever mode `model` is in."""
    with torch.random.fork_rng(devices=[]):  # the initial weights that are drawn here are replaced at once
        plain = VitsModel(copy.deepcopy(model.config))
    plain.load_state_dict(folded_state(model.state_dict()))
    for module in list(plain.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
    for name in ("speaking_rate", "noise_scale", "noise_scale_duration"):  # may differ from the config's
        setattr(plain, name, getattr(model, name))
    return plain.float().eval()


def write_graph(graph: SpeakingGraph | SherpaGraph, target: Path, metadata: Mapping[str, str | int]) -> None:
    """Trace the graph into an ONNX file. metadata: stored in the file.

    Uses torch's older exporter: the newer one cannot trace the boolean masks of the duration predictor's splines.
    """
    graph.eval()  # the exporter restores the graph's mode, and training mode would bring dropout back
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of every comparison of sizes; verification shows whether one matters
        torch.onnx.export(
            graph,
            cast(Any, graph.example()),
            str(target),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_axes=graph.dynamic_axes,
        )
    traced = onnx.load(target)
    _keep_inputs(traced, graph)
    onnx.helper.set_model_props(traced, {name: str(value) for name, value in metadata.items()})
    onnx.checker.check_model(traced, full_check=True)
    onnx.save(traced, target)


def _keep_inputs(traced: onnx.ModelProto, graph: SpeakingGraph | SherpaGraph) -> None:
    """Restore the inputs that the exporter drops because a voice does not use them, such as duration noise."""
    kept = {value.name: value for value in traced.graph.input}
    inputs = []
    for name, example in zip(graph.inputs, graph.example(), strict=True):
        shape = [graph.dynamic_axes.get(name, {}).get(axis, size) for axis, size in enumerate(example.shape)]
        kind = onnx.TensorProto.FLOAT if example.is_floating_point() else onnx.TensorProto.INT64
        inputs.append(kept.get(name) or onnx.helper.make_tensor_value_info(name, kind, shape))
    del traced.graph.input[:]
    traced.graph.input.extend(inputs)
