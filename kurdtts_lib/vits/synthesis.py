"""Speaking."""

import threading

import numpy as np
import torch

from kurdtts_lib.text import Piece, encode, split
from kurdtts_lib.vits.voice import Voice

_ONE_AT_A_TIME = threading.Lock()
"""The random numbers of torch and numpy are the whole program's: two threads that speak would draw each other's."""


@torch.inference_mode()
def speak(voice: Voice, text: str, seed: int = 1, speed: float = 1.0) -> np.ndarray:
    """The waveform of `text`: (samples,), float32 in [-1, 1], at `voice.model.config.sampling_rate` Hz.

    Sentences and clauses are spoken one after the other, with the pauses of their marks between them.
    speed: 2 takes half the time, at the same pitch.
    The same seed gives the same samples, also from several threads; the caller's random state is left as it was.
    Raises TextError, before anything is spoken, for text that the voice cannot say.
    """
    pieces = split(text) or [Piece(text, 0.0)]  # nothing to say is for encode to refuse
    ids = [torch.tensor([encode(piece.text, voice.tokenizer)], device=voice.model.device) for piece in pieces]
    rate = voice.model.config.sampling_rate
    with _ONE_AT_A_TIME:
        spoken = _spoken(voice, ids, seed, speed)
    sounds = [
        np.pad(waveform.float().cpu().numpy(), (0, round(piece.pause / speed * rate)))
        for waveform, piece in zip(spoken, pieces, strict=True)
    ]
    return np.concatenate(sounds)


def _spoken(voice: Voice, ids: list[torch.Tensor], seed: int, speed: float) -> list[torch.Tensor]:
    """A waveform (samples,) for each row of ids (1, tokens)."""
    was_training = voice.model.training
    voice.model.eval()
    devices = [voice.model.device] if voice.model.device.type == "cuda" else []
    numpy_state = np.random.get_state()  # transformers' text encoder draws from it even where it drops no layer
    # As an argument: the model's own attribute would change the speed of everybody who speaks with this voice.
    speaking_rate = voice.model.speaking_rate * speed
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            return [
                voice.model(input_ids=row, attention_mask=torch.ones_like(row), speaking_rate=speaking_rate).waveform[0]
                for row in ids
            ]
    finally:
        np.random.set_state(numpy_state)
        voice.model.train(was_training)
