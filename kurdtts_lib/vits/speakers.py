"""Several speakers in one voice: conditioning for training, and folding a speaker into a voice with one.

Kim et al. 2021, section 3.4: a speaker's embedding, projected by a 1x1 convolution, is added inside the posterior
encoder, the flow, the decoder and the duration predictor. It is constant over time, so for one speaker each sum is a
bias: a plain `VitsModel` with these biases is the same voice.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import VitsConfig, VitsModel

from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.vits.weight_norm import WEIGHT_NORM_NAMES, folded_state

EMBEDDING_SIZE = 256
"""That of the published multi-speaker VITS."""


def speaker_ids(model: VitsModel) -> dict[str, int]:
    """Names of the speakers of a model with several, and their rows in the embedding; empty with one speaker.

    A published model whose configuration names nobody has `speaker-0`, `speaker-1` and so on.
    """
    if model.config.num_speakers == 1:
        return {}
    numbered = {f"speaker-{number}": number for number in range(model.config.num_speakers)}
    return getattr(model.config, "speaker_id_map", None) or numbered


@torch.no_grad()
def add_speakers(model: VitsModel, names: Sequence[str], embedding_size: int = EMBEDDING_SIZE) -> VitsModel:
    """A copy of a model with one speaker that can learn to speak as each of `names`; at first all sound the same.

    The embedding is N(0, 1), the same at every call. Its projections are zero, so that the first step's voice is the
    given one. Raises VoiceError if the model has several speakers already.
    """
    if model.config.num_speakers > 1:
        raise VoiceError(f"This voice holds several speakers already: {', '.join(speaker_ids(model))}.")
    config = _resized(model.config, len(names), embedding_size)
    config.speaker_id_map = {name: number for number, name in enumerate(names)}
    with torch.random.fork_rng():
        torch.manual_seed(1)  # a training that resumes must begin with the same voice
        conditioned = VitsModel(config)
        nn.init.normal_(conditioned.embed_speaker.weight)
    for name, parameter in conditioned.named_parameters():
        # Of a weight under weight norm the magnitude is zero; its direction must not be.
        if "cond" in name and not name.endswith(WEIGHT_NORM_NAMES["weight_v"]):
            parameter.zero_()
    conditioned.load_state_dict(conditioned.state_dict() | folded_state(model.state_dict()))
    return conditioned.train(model.training)


@torch.no_grad()
def fold_speakers(model: VitsModel, names: Sequence[str]) -> VitsModel:
    """A plain model with one speaker: one of a model with several, or equal parts of some of them.

    Equal up to rounding. Raises VoiceError without names, and for the name of nobody.
    """
    ids = speaker_ids(model)
    if not names or not set(names) <= ids.keys():
        raise VoiceError(
            f"This voice has the speakers {', '.join(ids)}; choose of them, not {', '.join(names) or '-'}."
        )
    condition = model.embed_speaker.weight[[ids[name] for name in names]].mean(0).view(1, -1, 1)
    with torch.device("meta"):  # without weights: drawing them takes longer than all that follows
        plain = VitsModel(_resized(model.config, 1, 0))
    weights = folded_state(model.state_dict())
    plain.load_state_dict({name: weights[name].clone() for name in plain.state_dict()}, assign=True)

    for source, target in zip(_wavenets(model), _wavenets(plain), strict=True):
        for layer, offset in zip(
            target.in_layers, _projected(source.cond_layer, condition).split(2 * source.hidden_size), strict=True
        ):
            layer.bias += offset
    plain.decoder.conv_pre.bias += _projected(model.decoder.cond, condition)
    offset = _projected(model.duration_predictor.cond, condition)
    if model.config.use_stochastic_duration_prediction:
        plain.duration_predictor.conv_pre.bias += offset
    else:
        # Its first convolution pads with zeros, so the offset must be in its input: the text encoder's output, from
        # which the prior is projected too.
        text = plain.text_encoder
        text.encoder.layers[-1].final_layer_norm.bias += offset
        text.project.bias -= text.project.weight[:, :, 0] @ offset
    return plain.train(model.training)


def _resized(config: VitsConfig, num_speakers: int, embedding_size: int) -> VitsConfig:
    changed = copy.deepcopy(config)
    changed.num_speakers, changed.speaker_embedding_size = num_speakers, embedding_size
    changed.__dict__.pop("speaker_id_map", None)
    return changed


def _wavenets(model: VitsModel) -> list[Any]:
    return [model.posterior_encoder.wavenet, *(flow.wavenet for flow in model.flow.flows)]


def _projected(layer: nn.Module, condition: Tensor) -> Tensor:
    """condition: (1, speaker_embedding_size, 1). Returns (channels,)."""
    return layer(condition)[0, :, 0]
