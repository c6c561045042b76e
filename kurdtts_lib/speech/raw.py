"""Text to the samples that the voice makes of it, with nothing done to them: what is measured."""

import numpy as np

from kurdtts_lib.text import Piece, encode, encode_spoken, split
from kurdtts_lib.vits.generation import speak_ids
from kurdtts_lib.vits.voice import Voice


def speak(voice: Voice, text: str, seed: int = 1, speed: float = 1.0) -> np.ndarray:
    """The waveform of `text` as the voice says it: (samples,), at `voice.model.config.sampling_rate` Hz.

    Sentences and clauses are spoken one after the other, with the pauses of their marks between them; nothing is
    mended. `synthesis.stream` makes of it what one would publish.
    speed: 2 takes half the time, at the same pitch.
    Raises TextError, before anything is spoken, for text that the voice cannot say.
    """
    pieces = split(text) or [Piece(text, 0.0)]  # nothing to say is for encode to refuse
    ids = [encode(piece.text, voice.tokenizer) for piece in pieces]
    rate = voice.model.config.sampling_rate
    spoken = speak_ids(voice, ids, seed, speed)
    return np.concatenate(
        [
            np.pad(clause.waveform, (0, round(piece.pause / speed * rate)))
            for clause, piece in zip(spoken, pieces, strict=True)
        ]
    )


def speak_spoken(voice: Voice, spoken: str, seed: int = 1) -> np.ndarray:
    """`speak` for the text of a prepared clip, word for word: the user's corrections of today change nothing."""
    (utterance,) = speak_ids(voice, [encode_spoken(spoken, voice.tokenizer, spoken)], seed)
    return utterance.waveform
