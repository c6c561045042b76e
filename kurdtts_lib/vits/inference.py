"""The inference direction of VITS with its noise as arguments, composed from transformers' own modules.

`VitsModel.forward` draws from the global random generator and does not return durations. Here the noise is passed in:
speech does not depend on what else runs, and an exported graph can be compared with this one sample by sample.
Kim et al. 2021, figure 1b. The batch size is 1, so there is no padding and no mask.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import VitsModel


class Prior(NamedTuple):
    """The text encoder's output for each text position."""

    hidden: Tensor
    """(1, hidden_size, positions)."""
    means: Tensor
    """(1, flow_size, positions)."""
    log_stddevs: Tensor
    """(1, flow_size, positions). `prior_log_variances` in transformers, which uses them as log standard deviations."""


def encode_text(model: VitsModel, input_ids: Tensor) -> Prior:
    """input_ids: (1, positions).

    The encoder's layers are called one by one: its own forward draws from numpy's global random generator, even though
    layers are dropped in training only.
    """
    encoder = model.text_encoder
    mask = torch.ones(1, input_ids.shape[1], 1, dtype=encoder.embed_tokens.weight.dtype, device=input_ids.device)
    hidden = encoder.embed_tokens(input_ids) * math.sqrt(model.config.hidden_size)
    for layer in encoder.encoder.layers:
        hidden = layer(hidden, attention_mask=None, padding_mask=mask)[0]
    hidden = hidden.transpose(1, 2)
    means, log_stddevs = encoder.project(hidden).split(model.config.flow_size, dim=1)
    return Prior(hidden, means, log_stddevs)


def predict_durations(model: VitsModel, hidden: Tensor, speaking_rate: float | Tensor, noise: Tensor) -> Tensor:
    """Frames of each text position: (1, positions), whole numbers as floats.

    hidden: of `Prior`. speaking_rate: 2 takes half as many frames as 1. noise: (1, 2, positions), normal with the
    standard deviation `model.noise_scale_duration`; a deterministic duration predictor ignores it.
    """
    predictor = model.duration_predictor
    mask = torch.ones_like(hidden[:, :1])
    if model.config.use_stochastic_duration_prediction:
        text = predictor.conv_proj(predictor.conv_dds(predictor.conv_pre(hidden), mask))
        # The first coupling is skipped: in published voices it changes only the channel that is not used.
        affine, _, *couplings = predictor.flows
        latents = noise
        for flow in (*reversed(couplings), affine):
            latents = flow(latents.flip(1), mask, global_conditioning=text, reverse=True)[0]
        log_durations = latents[:, 0]
    else:
        log_durations = predictor(hidden, mask, None)[:, 0]
    return torch.ceil(torch.exp(log_durations) * (1.0 / speaking_rate))


def expand(values: Tensor, durations: Tensor) -> Tensor:
    """Repeat values[:, :, p] durations[:, p] times: (1, channels, positions) -> (1, channels, frames)."""
    ends = durations[0].cumsum(0)
    frames = torch.arange(ends[-1].long(), device=values.device)  # type: ignore[call-overload]
    position = (frames.unsqueeze(1) >= ends).sum(1)
    return values.index_select(2, position)


def decode(model: VitsModel, means: Tensor, log_stddevs: Tensor, noise: Tensor) -> Tensor:
    """The waveform: (frames * hop_length,), in [-1, 1].

    means, log_stddevs: `Prior`'s, expanded. noise: (1, flow_size, frames), normal with the standard deviation
    `model.noise_scale`.
    """
    mask = torch.ones_like(means[:, :1])
    latents = model.flow(means + noise * torch.exp(log_stddevs), mask, None, reverse=True)
    return model.decoder(latents, None)[0, 0]
