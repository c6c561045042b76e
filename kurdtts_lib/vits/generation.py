"""Token ids to waveform; in bfloat16 on processors that support it, where the error is small."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from transformers import VitsModel

from kurdtts_lib.vits.inference import decode, encode_text, expand, predict_durations
from kurdtts_lib.vits.utterance import Utterance
from kurdtts_lib.vits.voice import Voice

LEAST_SNR_DB = 30.0
"""The error then has a thousandth of the speech's power. bfloat16's 8 significant bits give about 40 dB."""
_CHECKING = threading.Lock()
_PRECISIONS: WeakKeyDictionary[VitsModel, torch.dtype] = WeakKeyDictionary()
"""`best_precision` of the voices that have spoken."""


def speak_ids(
    voice: Voice,
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
    every device. Neither the global random state nor any other shared state changes.
    """
    model = voice.model
    generator = torch.Generator().manual_seed(seed)  # on the CPU: a GPU would draw other numbers
    for ids in clauses:
        with torch.inference_mode(), _evaluation_mode(model):
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
            with decoder_autocast(precision):
                waveform = decode(model, means, log_stddevs, noise.to(means) * (noise_scale * model.noise_scale))
            spoken = Utterance(waveform.float().cpu().numpy(), durations[0].long().cpu().numpy())
        yield spoken


@contextmanager
def _evaluation_mode(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode (no dropout) for a voice that is being trained, which only its training's thread may speak with.

    Any other voice is left untouched, so that several threads can speak with it.
    """
    training = model.training
    if training:
        model.eval()
    try:
        yield
    finally:
        if training:
            model.train()


def has_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16: AVX-512 BF16 or AMX of x86, or those of ARM.

    Without them bfloat16 is slower than float32.
    """
    abilities = torch.cpu.get_capabilities()
    return any(abilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def decoder_autocast(precision: torch.dtype) -> torch.autocast:
    """`with decoder_autocast(torch.bfloat16):` around `inference.decode`: flow and decoder in bfloat16, or in float32.

    Not around the duration predictor: rounding changes durations, and with them the rhythm.
    """
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16)


def best_precision(model: VitsModel) -> torch.dtype:
    """bfloat16 where it is accurate enough, which is tested once per voice on all its tokens; otherwise float32.

    Independent of the time it takes, which differs between runs: speech must be reproducible. Always float32 for a
    voice that is in training or on another device than the CPU.
    """
    if model.training or model.device.type != "cpu" or not has_bfloat16():
        return torch.float32
    with _CHECKING:
        if model not in _PRECISIONS:
            good = bfloat16_snr_db(model, range(model.config.vocab_size)) >= LEAST_SNR_DB
            _PRECISIONS[model] = torch.bfloat16 if good else torch.float32
        return _PRECISIONS[model]


@torch.inference_mode()
def bfloat16_snr_db(model: VitsModel, ids: Sequence[int]) -> float:
    """Power of the speech in float32 over the power of its difference in bfloat16, in dB; the ids without noise.

    model: on the CPU, in evaluation mode.
    """
    prior = encode_text(model, torch.tensor([list(ids)]))
    durations = predict_durations(model, prior.hidden, model.speaking_rate, torch.zeros(1, 2, len(ids)))
    means, log_stddevs = (expand(values, durations) for values in (prior.means, prior.log_stddevs))
    exact, rounded = (_without_noise(model, means, log_stddevs, kind) for kind in (torch.float32, torch.bfloat16))
    return 10 * torch.log10(exact.square().sum() / (exact - rounded).square().sum()).item()


def _without_noise(
    model: VitsModel, means: torch.Tensor, log_stddevs: torch.Tensor, precision: torch.dtype
) -> torch.Tensor:
    with decoder_autocast(precision):
        return decode(model, means, log_stddevs, torch.zeros_like(means)).double()
