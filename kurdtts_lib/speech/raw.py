"""Text to the waveform as the model gives it, without post-processing: the input of the evaluation."""

import numpy as np

from kurdtts_lib.text import Piece, encode, encode_spoken, split
from kurdtts_lib.vits.generation import speak_ids
from kurdtts_lib.vits.voice import Voice


def speak(voice: Voice, text: str, seed: int = 1, speed: float = 1.0) -> np.ndarray:
    """The waveform of `text`: (samples,), float32, at `voice.model.config.sampling_rate` Hz.

    Sentences and clauses are synthesised one after the other, with the pauses of their punctuation, and not
    post-processed; `synthesis.stream` trims and levels them.
    speed: 2 takes half the time, at the same pitch.
    Raises TextError, before anything is synthesised, for text that the voice cannot say.
    """
    pieces = split(text) or [Piece(text, 0.0)]  # encode raises if there is nothing to say
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
    """`speak` for the already normalised text of a prepared clip: the user's lexicon is not applied."""
    (utterance,) = speak_ids(voice, [encode_spoken(spoken, voice.tokenizer, spoken)], seed)
    return utterance.waveform
