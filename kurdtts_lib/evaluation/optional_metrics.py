"""The figures that need more than every judging does: a package, a recogniser, or a copy of the recordings."""

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
    """Every extra figure that this machine can work out, and the reasons for those that it cannot."""
    makers = {
        "dnsmos": lambda: _guessed("dnsmos", cleanliness()),
        "distillmos": lambda: _guessed("distillmos", naturalness()),
        "character_error_rate": lambda: _recognised(recogniser),
        "copy_mel_distance": lambda: _copied("copy_mel_distance", _mel_distance(audio)),
        "copy_stoi": lambda: _copied("copy_stoi", stoi),
    }
    extras, left_out = [], {}
    for name, make in makers.items():
        try:
            extras.append(make())
        except KurdTTSError as error:
            left_out[name] = str(error)
    return extras, left_out


def _guessed(name: str, guess: Predictor) -> OptionalMetric:
    def score(spoken: SystemSpeech, number: int) -> float:
        return guess(spoken.waveforms[number], spoken.held_out.reference.audio.sampling_rate)

    return OptionalMetric(name, True, score)


def _recognised(recogniser: Recogniser | None) -> OptionalMetric:
    if recogniser is None:
        raise KurdTTSError(
            "It needs a recogniser, and none was named. `kurdtts judge --recogniser NAME` takes a folder or a name on "
            "the hub."
        )

    def score(spoken: SystemSpeech, number: int) -> float:
        heard = recogniser(spoken.waveforms[number], spoken.held_out.reference.audio.sampling_rate)
        return character_error_rate(spoken.held_out.texts[number], heard)

    return OptionalMetric("character_error_rate", True, score)


def _copied(name: str, score_of: Score) -> OptionalMetric:
    def score(spoken: SystemSpeech, number: int) -> float:
        copied = spoken.copies[number]
        recording = spoken.held_out.reference.recordings[number][: len(copied)]  # a copy has whole frames
        return score_of(recording, copied, spoken.held_out.reference.audio.sampling_rate)

    return OptionalMetric(name, False, score)


def _mel_distance(audio: AudioSettings) -> Score:
    """Frame by frame: a copy is as long as its recording, so nothing needs to be matched."""

    def score(recording: np.ndarray, copied: np.ndarray, _: int) -> float:
        mels = [distances.log_mel(waveform, audio) for waveform in (recording, copied)]
        return float(np.abs(mels[0] - mels[1]).mean())

    return score
