"""Is it understood? A recogniser writes down what it hears, and its letters are compared with the text."""

import re
import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np

from kurdtts_lib.audio.io import resample
from kurdtts_lib.core.errors import EvaluationError, TextError
from kurdtts_lib.text import normalize

MMS_LANGUAGE = "kmr-script_latin"
"""Kurmanji's name in recognisers that hold many languages, such as `facebook/mms-1b-all`."""
Recogniser = Callable[[np.ndarray, int], str]
"""What is heard in a waveform at a sampling rate in Hz."""


def load_recogniser(name: str) -> Recogniser:
    """A recogniser that transformers can load (CTC or Whisper): a folder, or a name on the hub, which is downloaded.

    One that holds many languages, as MMS's, is set to Kurmanji.
    Raises JudgingError if it cannot be had or knows no Kurmanji.
    """
    from transformers import pipeline

    try:
        recognise: Any = pipeline("automatic-speech-recognition", model=name)
        if isinstance(getattr(recognise.tokenizer, "target_lang", None), str):
            recognise.tokenizer.set_target_lang(MMS_LANGUAGE)
            recognise.model.load_adapter(MMS_LANGUAGE)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise EvaluationError(
            f"The recogniser {name!r} cannot be had ({_first_line(error)}). Check the folder, or the network if it is "
            "on the hub. Without `--recogniser` everything else is judged."
        ) from error
    rate = recognise.feature_extractor.sampling_rate

    def heard(waveform: np.ndarray, sampling_rate: int) -> str:
        text = recognise({"raw": resample(waveform, sampling_rate, rate), "sampling_rate": rate})["text"]
        for token in recognise.tokenizer.all_special_tokens:  # such as <unk>, which would count as five letters
            text = text.replace(token, "")
        return text

    return heard


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def character_error_rate(text: str, heard: str) -> float:
    """Letters to change, add or take away in `heard` until it is `text`, over the letters of `text`.

    Both as they are spoken (`text.normalize`), spaces included. Above 1 if much more was heard than said.
    """
    spoken = comparable(text)
    return edits(comparable(heard), spoken) / len(spoken)


def comparable(text: str) -> str:
    """The spoken form; where a recogniser wrote what has no Kurmanji reading, its words in small letters."""
    try:
        return normalize(text).text
    except TextError:
        return " ".join(re.findall(r"\w+", unicodedata.normalize("NFC", text.lower())))


def edits(first: str, second: str) -> int:
    """Levenshtein's distance: the fewest single letters changed, added or taken away between two texts."""
    row = list(range(len(second) + 1))
    for number, letter in enumerate(first, 1):
        above_left, row[0] = row[0], number
        for place, other in enumerate(second, 1):
            above_left, row[place] = row[place], min(above_left + (letter != other), row[place] + 1, row[place - 1] + 1)
    return row[-1]
