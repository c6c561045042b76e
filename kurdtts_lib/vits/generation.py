"""Token ids to waveform."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch

from kurdtts_lib.vits.inference import decode, encode_text, expand, predict_durations
from kurdtts_lib.vits.precision import decoder_autocast
from kurdtts_lib.vits.utterance import Utterance
from kurdtts_lib.vits.voice import Voice

_MODES = threading.Lock()
_IN_TRAINING: WeakKeyDictionary[torch.nn.Module, int] = WeakKeyDictionary()
"""How many threads are speaking with each voice that is in training."""


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
    0 gives the single most likely reading. precision: of flow and decoder, see `precision.best_precision`; durations
    are always computed in float32. The same seed gives the same samples, from several threads at once too, and up to
    rounding on every device. Neither the global random state nor any other shared state changes.
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
    """Evaluation mode (no dropout) for a voice that is being trained; any other voice is left untouched.

    Of several threads that speak with it, the last one switches it back to training mode.
    """
    with _MODES:
        if model.training:
            model.eval()
            _IN_TRAINING[model] = 0
        in_training = model in _IN_TRAINING
        if in_training:
            _IN_TRAINING[model] += 1
    try:
        yield
    finally:
        with _MODES:
            if in_training:
                _IN_TRAINING[model] -= 1
                if not _IN_TRAINING[model]:
                    del _IN_TRAINING[model]
                    model.train()
