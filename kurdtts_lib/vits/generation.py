"""Token ids to waveform: the inference direction of VITS, composed from transformers' own modules.

`VitsModel.forward` draws from the global random generator and does not return durations. Here the noise is passed in:
speech does not depend on what else runs, and an exported graph can be compared with this one sample by sample.
Kim et al. 2021, figure 1b. The batch size is 1, so there is no padding and no mask.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import VitsModel

from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.vits.mel import linear_spectrogram
from kurdtts_lib.vits.utterance import Utterance


def speak_ids(
    model: VitsModel,
    clauses: Iterable[Sequence[int]],
    seed: int = 1,
    speed: float = 1.0,
    noise_scale: float = 1.0,
    precision: torch.dtype = torch.float32,
) -> Iterator[Utterance]:
    """Synthesise clauses from their token ids, each when it is requested.

    speed: 2 takes half the time. noise_scale: a factor on the voice's own noise scales, which vary melody and rhythm;
    0 gives the single most likely reading. precision: of flow and decoder, see `best_precision`; durations are always
    computed in float32. The same seed gives the same samples, from several threads at once too, and up to rounding on
    every device. Neither the global random state nor any other shared state changes, except that a voice that is being
    trained is in evaluation mode (no dropout) while it speaks: only its training's thread may speak with it.
    """
    generator = torch.Generator().manual_seed(seed)  # on the CPU: a GPU would draw other numbers
    for ids in clauses:
        training = model.training
        model.eval()
        try:
            with torch.inference_mode():
                prior = encode_text(model, torch.tensor([ids], device=model.device))
                noise = torch.zeros(1, 2, len(ids))
                if model.config.use_stochastic_duration_prediction:
                    noise = torch.randn(noise.shape, generator=generator) * (noise_scale * model.noise_scale_duration)
                # As an argument: setting the model's own attribute would change the speed in all other threads.
                rate = model.speaking_rate * speed
                durations = predict_durations(model, prior.hidden, rate, noise.to(prior.hidden))
                means, log_stddevs = (expand(values, durations) for values in (prior.means, prior.log_stddevs))
                # In the memory layout of transformers, so that it gives the same speech from the same seed.
                noise = torch.empty(1, means.shape[2], means.shape[1]).transpose(1, 2).normal_(generator=generator)
                noise = noise.to(means) * (noise_scale * model.noise_scale)
                # Not around the duration predictor: rounding changes durations, and with them the rhythm.
                with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
                    waveform = decode(model, means, log_stddevs, noise)
        finally:
            model.train(training)
        yield Utterance(waveform.float().cpu().numpy(), durations[0].long().cpu().numpy())


# --- bfloat16 -----------------------------------------------------------------------------------------------------


def has_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16: AVX-512 BF16 or AMX of x86, or those of ARM.

    Without them bfloat16 is slower than float32.
    """
    abilities = torch.cpu.get_capabilities()
    return any(abilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def best_precision(model: VitsModel) -> torch.dtype:
    """bfloat16 where the processor has it: its 8 significant bits give an error about 40 dB below the speech.

    Always float32 for a voice that is in training or on another device than the CPU.
    """
    rounded = not model.training and model.device.type == "cpu" and has_bfloat16()
    return torch.bfloat16 if rounded else torch.float32


# --- the network --------------------------------------------------------------------------------------------------


class Prior(NamedTuple):
    """The text encoder's output for each text position."""

    hidden: Tensor
    """(batch, hidden_size, positions)."""
    means: Tensor
    """(batch, flow_size, positions)."""
    log_stddevs: Tensor
    """(batch, flow_size, positions). `prior_log_variances` in transformers, where they are log standard deviations."""


def encode_text(model: VitsModel, input_ids: Tensor) -> Prior:
    """input_ids: (batch, positions), texts of equal length.

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


def posterior_means(model: VitsModel, waveform: np.ndarray, audio: AudioSettings) -> Tensor:
    """What the posterior encoder finds in (samples,), without its noise: (1, flow_size, frames)."""
    spectrogram = linear_spectrogram(torch.from_numpy(waveform).to(model.device).unsqueeze(0), audio)
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):  # the encoder draws noise even if only its mean is used
        return model.posterior_encoder(spectrogram, torch.ones_like(spectrogram[:, :1]))[1]
