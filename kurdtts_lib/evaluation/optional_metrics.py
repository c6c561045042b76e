"""Metrics with additional requirements: the network DNSMOS, or a speech recogniser."""

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kurdtts_lib.audio.io import resample
from kurdtts_lib.core.errors import EvaluationError, TextError
from kurdtts_lib.evaluation.evaluate import OptionalMetric
from kurdtts_lib.evaluation.sherpa_recogniser import TOKENS, SherpaRecogniser
from kurdtts_lib.text import normalize

MMS_LANGUAGE = "kmr-script_latin"
"""Kurmanji's language code in multilingual recognisers such as `facebook/mms-1b-all`."""
DNSMOS_RATE = 16_000
"""Hertz: what DNSMOS was trained on."""
DNSMOS_WINDOW = round(9.01 * DNSMOS_RATE)
"""Samples that its network takes at a time."""
Recogniser = Callable[[np.ndarray, int], str]
"""Transcribes a waveform (samples,) at a sampling rate in Hz."""


def optional_metrics(
    sampling_rate: int, recogniser: Recogniser | None = None
) -> tuple[dict[str, OptionalMetric], dict[str, str]]:
    """The optional metrics that can be computed, and for the others the reason, by name. sampling_rate: in Hz."""
    found: dict[str, OptionalMetric] = {"dnsmos": lambda waveform, _: predicted_cleanliness(waveform, sampling_rate)}
    if recogniser is None:
        reason = "It needs a recogniser: `kurdtts judge --recogniser NAME` takes a folder or a name on the hub."
        return found, {"character_error_rate": reason}
    found["character_error_rate"] = lambda waveform, text: character_error_rate(
        text, recogniser(waveform, sampling_rate)
    )
    return found, {}


def predicted_cleanliness(waveform: np.ndarray, rate: int) -> float:
    """DNSMOS's overall quality (Reddy et al. 2021) of (samples,) at `rate` Hz, about 1 to 5; no listener's opinion.

    A clip shorter than its window is repeated to fill one. The published program doubles it, and takes the mean over as
    many as eight windows of the same sound: five times the work, and the values are within 0.1 of these.
    """
    from speechmos import dnsmos

    samples = np.clip(resample(waveform, rate, DNSMOS_RATE), -1, 1)
    if len(samples) < DNSMOS_WINDOW:
        samples = np.resize(samples, DNSMOS_WINDOW)
    return float(dnsmos.run(samples, sr=DNSMOS_RATE)["ovrl_mos"])


def load_recogniser(name: str) -> Recogniser:
    """A recogniser that transformers can load (CTC or Whisper), from a folder or downloaded from the hub; or a folder
    in the form of sherpa-onnx (`SherpaRecogniser`).

    A multilingual one with language adapters, such as MMS, is set to Kurmanji.
    Raises EvaluationError if it cannot be loaded or does not support Kurmanji.
    """
    if (Path(name) / TOKENS).is_file():
        return SherpaRecogniser(Path(name))
    from transformers import pipeline

    try:
        recognise: Any = pipeline("automatic-speech-recognition", model=name)
        if isinstance(getattr(recognise.tokenizer, "target_lang", None), str):
            recognise.tokenizer.set_target_lang(MMS_LANGUAGE)
            recognise.model.load_adapter(MMS_LANGUAGE)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EvaluationError(
            f"The recogniser {name!r} cannot be had ({reason}). Check the folder, or the network if it is on the hub. "
            "Without `--recogniser` everything else is judged."
        ) from error
    rate = recognise.feature_extractor.sampling_rate

    def transcribe(waveform: np.ndarray, sampling_rate: int) -> str:
        text = recognise({"raw": resample(waveform, sampling_rate, rate), "sampling_rate": rate})["text"]
        for token in recognise.tokenizer.all_special_tokens:  # such as <unk>, which would count as five characters
            text = text.replace(token, "")
        return text

    return transcribe


def character_error_rate(text: str, transcript: str) -> float:
    """Edit distance between `transcript` and `text` divided by the length of `text`, in characters with spaces.

    Both are normalised first (`comparable`). Above 1 if the transcript has many insertions.
    """
    spoken = comparable(text)
    return edit_distance(comparable(transcript), spoken) / len(spoken)


def comparable(text: str) -> str:
    """The normalised text; for a transcript that cannot be normalised, its words in lower case."""
    try:
        return normalize(text).text
    except TextError:
        return " ".join(re.findall(r"\w+", unicodedata.normalize("NFC", text.lower())))


def edit_distance(first: str, second: str) -> int:
    """Levenshtein distance: the smallest number of substitutions, insertions and deletions of characters."""
    row = list(range(len(second) + 1))
    for number, letter in enumerate(first, 1):
        above_left, row[0] = row[0], number
        for index, other in enumerate(second, 1):
            above_left, row[index] = row[index], min(above_left + (letter != other), row[index] + 1, row[index - 1] + 1)
    return row[-1]
