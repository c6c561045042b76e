"""Token ids to the samples that the voice makes of them."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch

from kurdtts_lib.vits.inference import decode, encode_text, expand, predict_durations
from kurdtts_lib.vits.precision import sound_in
from kurdtts_lib.vits.utterance import Utterance
from kurdtts_lib.vits.voice import Voice

_MODES = threading.Lock()
_IN_TRAINING: WeakKeyDictionary[torch.nn.Module, int] = WeakKeyDictionary()
"""How many threads speak with a voice that is in training."""


def speak_ids(
    voice: Voice,
    clauses: Iterable[Sequence[int]],
    seed: int = 1,
    speed: float = 1.0,
    noise_scale: float = 1.0,
    precision: torch.dtype = torch.float32,
) -> Iterator[Utterance]:
    """Speak the token ids of clauses, each when it is asked for.

    variation: of melody and rhythm, in parts of the voice's own; 0 says everything in the one most likely way.
    precision: of the sound, see `precision.best_precision`; the durations are always computed in float32.
    The same seed gives the same samples, also from several threads at once, and on every device but for rounding.
    Nobody's random state is touched, nor anything else that is shared.
    """
    model = voice.model
    generator = torch.Generator().manual_seed(seed)  # on the CPU: a card would draw other numbers
    for ids in clauses:
        with torch.inference_mode(), _evaluating(model):
            prior = encode_text(model, torch.tensor([ids], device=model.device))
            noise = torch.zeros(1, 2, len(ids))
            if model.config.use_stochastic_duration_prediction:
                noise = torch.randn(noise.shape, generator=generator) * (noise_scale * model.noise_scale_duration)
            # As an argument: the model's own attribute would change the speed of everybody who speaks with this voice.
            rate = model.speaking_rate * speed
            durations = predict_durations(model, prior.hidden, rate, noise.to(prior.hidden))
            means, log_stddevs = (expand(values, durations) for values in (prior.means, prior.log_stddevs))
            # In the order of transformers' memory, so that its speech of the same seed is this one.
            noise = torch.empty(1, means.shape[2], means.shape[1]).transpose(1, 2).normal_(generator=generator)
            with sound_in(precision):
                waveform = decode(model, means, log_stddevs, noise.to(means) * (noise_scale * model.noise_scale))
            spoken = Utterance(waveform.float().cpu().numpy(), durations[0].long().cpu().numpy())
        yield spoken


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """No dropout: for a voice in the middle of its training; one that was loaded is left untouched.

    Of several threads that speak with it, the last one gives it back to its training.
    """
    with _MODES:
        if model.training:
            model.eval()
            _IN_TRAINING[model] = 0
        borrowed = model in _IN_TRAINING
        if borrowed:
            _IN_TRAINING[model] += 1
    try:
        yield
    finally:
        with _MODES:
            if borrowed:
                _IN_TRAINING[model] -= 1
                if not _IN_TRAINING[model]:
                    del _IN_TRAINING[model]
                    model.train()
