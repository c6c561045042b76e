"""How a voice does on sentences it never saw, against the recordings of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kurdtts_lib import measures
from kurdtts_lib.audio import decode
from kurdtts_lib.corpus.clips import Clip
from kurdtts_lib.errors import CorpusError
from kurdtts_lib.settings import AudioSettings


@dataclass(frozen=True)
class Figures:
    """Means over the test sentences."""

    sentences: int
    mel_cepstral_distance: float
    """dB, lower is closer."""
    mel_distance: float
    """Nepers, lower is closer."""
    speaker_distance: float
    """0 would be the same statistics; see `measures.speaker_distance`. Lower is more alike."""
    pitch: float
    """Median F0 in Hertz; 0 if nothing is voiced."""
    loudness_difference_db: float
    """Speech minus recording; 0 is as loud."""
    duration_ratio: float
    """Speech over recording; 1 is the same pace."""


def load(clips: Sequence[Clip], audio: AudioSettings) -> list[np.ndarray]:
    """The clips' waveforms."""
    return [decode(clip.path, audio.sampling_rate) for clip in clips]


def compare(
    speech: Sequence[np.ndarray],
    recordings: Sequence[np.ndarray],
    speaker: Sequence[np.ndarray],
    audio: AudioSettings,
) -> Figures:
    """Figures of `speech` against `recordings` of the same sentences, and against other speech of the speaker.

    Speaker likeness is measured on other sentences, so that what is said does not help. Raises CorpusError if nothing
    is held out.
    """
    if not recordings:
        raise CorpusError("No sentence is held out, so nothing can be judged. Prepare more clips.")
    pairs = list(zip(recordings, speech, strict=True))
    pitches = [measures.pitch(waveform, audio) for waveform in speech]
    voiced = np.concatenate(pitches)
    return Figures(
        sentences=len(pairs),
        mel_cepstral_distance=_mean(measures.mel_cepstral_distance(*pair, audio) for pair in pairs),
        mel_distance=_mean(measures.mel_distance(*pair, audio) for pair in pairs),
        speaker_distance=measures.speaker_distance(speaker, speech, audio),
        pitch=float(np.median(voiced)) if len(voiced) else 0.0,
        loudness_difference_db=_mean(measures.rms_db(b) - measures.rms_db(a) for a, b in pairs),
        duration_ratio=_mean(measures.duration_ratio(*pair) for pair in pairs),
    )


def _mean(values) -> float:  # type: ignore[no-untyped-def]
    return float(np.mean(list(values)))
