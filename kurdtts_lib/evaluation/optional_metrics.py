"""Metrics with additional requirements: an optional package, a speech recogniser, or resynthesised recordings."""

import numpy as np

from kurdtts_lib.audio import distances
from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.evaluation.evaluate import OptionalMetric, SystemSpeech
from kurdtts_lib.evaluation.mos_prediction import Predictor, cleanliness, naturalness
from kurdtts_lib.evaluation.recognition import Recogniser, character_error_rate
from kurdtts_lib.evaluation.resynthesis import Score, stoi


def optional_metrics(
    audio: AudioSettings, recogniser: Recogniser | None = None
) -> tuple[list[OptionalMetric], dict[str, str]]:
    """The optional metrics that can be computed here, and for the others the reason, by name."""
    makers = {
        "dnsmos": lambda: _predicted("dnsmos", cleanliness()),
        "distillmos": lambda: _predicted("distillmos", naturalness()),
        "character_error_rate": lambda: _recognised(recogniser),
        "copy_mel_distance": lambda: _resynthesised("copy_mel_distance", _mel_distance(audio)),
        "copy_stoi": lambda: _resynthesised("copy_stoi", stoi),
    }
    optional, left_out = [], {}
    for name, make in makers.items():
        try:
            optional.append(make())
        except KurdTTSError as error:
            left_out[name] = str(error)
    return optional, left_out


def _predicted(name: str, predict: Predictor) -> OptionalMetric:
    def score(speech: SystemSpeech, index: int) -> float:
        return predict(speech.waveforms[index], speech.held_out.reference.audio.sampling_rate)

    return OptionalMetric(name, True, score)


def _recognised(recogniser: Recogniser | None) -> OptionalMetric:
    if recogniser is None:
        raise KurdTTSError(
            "It needs a recogniser, and none was named. `kurdtts judge --recogniser NAME` takes a folder or a name on "
            "the hub."
        )

    def score(speech: SystemSpeech, index: int) -> float:
        transcript = recogniser(speech.waveforms[index], speech.held_out.reference.audio.sampling_rate)
        return character_error_rate(speech.held_out.texts[index], transcript)

    return OptionalMetric("character_error_rate", True, score)


def _resynthesised(name: str, score_of: Score) -> OptionalMetric:
    def score(speech: SystemSpeech, index: int) -> float:
        copy = speech.copies[index]
        recording = speech.held_out.reference.recordings[index][: len(copy)]  # a copy consists of whole frames
        return score_of(recording, copy, speech.held_out.reference.audio.sampling_rate)

    return OptionalMetric(name, False, score)


def _mel_distance(audio: AudioSettings) -> Score:
    """Mean absolute difference of the log-mel frames: recording and copy are aligned, so no DTW is needed."""

    def score(recording: np.ndarray, copy: np.ndarray, _: int) -> float:
        mels = [distances.log_mel(waveform, audio) for waveform in (recording, copy)]
        return float(np.abs(mels[0] - mels[1]).mean())

    return score
