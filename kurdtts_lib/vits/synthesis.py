"""Speaking."""

import numpy as np
import torch

from kurdtts_lib.text import Piece, encode, split
from kurdtts_lib.vits.voice import Voice


@torch.inference_mode()
def speak(voice: Voice, text: str, seed: int = 1) -> np.ndarray:
    """The waveform of `text`: (samples,), float32 in [-1, 1], at `voice.model.config.sampling_rate` Hz.

    Sentences and clauses are spoken one after the other, with the pauses of their marks between them.
    The same seed gives the same samples; the caller's random state is left as it was.
    Raises TextError, before anything is spoken, for text that the voice cannot say.
    """
    pieces = split(text) or [Piece(text, 0.0)]  # nothing to say is for encode to refuse
    ids = [torch.tensor([encode(piece.text, voice.tokenizer)], device=voice.model.device) for piece in pieces]
    rate = voice.model.config.sampling_rate
    was_training = voice.model.training
    voice.model.eval()
    devices = [voice.model.device] if voice.model.device.type == "cuda" else []
    numpy_state = np.random.get_state()  # transformers' text encoder draws from it even where it drops no layer
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            spoken = [voice.model(input_ids=row, attention_mask=torch.ones_like(row)).waveform[0] for row in ids]
    finally:
        np.random.set_state(numpy_state)
        voice.model.train(was_training)
    sounds = [
        np.pad(waveform.float().cpu().numpy(), (0, round(piece.pause * rate)))
        for waveform, piece in zip(spoken, pieces, strict=True)
    ]
    return np.concatenate(sounds)
