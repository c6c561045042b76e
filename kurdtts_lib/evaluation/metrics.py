"""Speech against recordings of the same sentences: every measure, sentence by sentence, and their means."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas

from kurdtts_lib.audio import distances as measures
from kurdtts_lib.audio.io import decode
from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.data.dataset import Clip

Progress = Callable[[int, str, int], None]
"""Called with the number of sentences done, what is done with them, and how many there are."""


@dataclass(frozen=True)
class Metrics:
    """Means over the test sentences; what each hears is said in `meanings`. None: not defined for any of them."""

    sentences: int
    mel_cepstral_distance: float
    """dB, lower is closer."""
    mel_distance: float
    """Nepers, lower is closer."""
    speaker_distance: float
    """Around 0 for the speaker; see `measures.speaker_distances`. Lower is more alike."""
    pitch: float
    """The sentences' median F0 in Hertz; 0 if nothing is voiced."""
    loudness_difference_db: float
    """Speech minus recording; 0 is as loud."""
    duration_ratio: float
    """Speech over recording; 1 is the same pace."""
    pitch_error: float | None
    """Root mean square difference of F0 in cents, where both are voiced."""
    voicing_error: float
    """Share of frames that only one of the two has voiced."""
    silence_share: float
    clipped_share: float


MEASURES = tuple(field.name for field in dataclasses.fields(Metrics) if field.name != "sentences")
OF_RECORDINGS = ("speaker_distance", "pitch", "silence_share", "clipped_share")
"""Those that need no recording of the same sentence, so that the recordings themselves have them, too."""


@dataclass(frozen=True)
class Reference:
    """What speech is measured against."""

    recordings: Sequence[np.ndarray]
    """Of the test sentences."""
    speaker: Sequence[np.ndarray]
    """Other sentences of the same speaker: likeness is measured on them, so that what is said does not help."""
    audio: AudioSettings

    def __post_init__(self) -> None:
        """Raises CorpusError if nothing is held out."""
        if not self.recordings:
            raise CorpusError("No sentence is held out, so nothing can be judged. Prepare more clips.")

    @functools.cached_property
    def pitch_tracks(self) -> list[np.ndarray]:
        """Those of the trimmed recordings, worked out once for all voices: this is the slow part."""
        return [measures.pitch_track(measures.trim(recording), self.audio) for recording in self.recordings]


def load(clips: Sequence[Clip], audio: AudioSettings) -> list[np.ndarray]:
    """The clips' waveforms."""
    return [decode(clip.path, audio.sampling_rate) for clip in clips]


def measured(
    speech: Sequence[np.ndarray], reference: Reference, progress: Progress | None = None, name: str = "measuring"
) -> pandas.DataFrame:
    """`MEASURES` of each sentence, (sentences, measures), NaN where a measure is not defined: nothing is voiced."""
    rows = []
    pairs = zip(reference.recordings, speech, reference.pitch_tracks, strict=True)
    for recording, waveform, recorded in pairs:
        track = measures.pitch_track(measures.trim(waveform), reference.audio)
        path = measures.warping_path(recording, waveform, reference.audio)
        pitch_error, voicing_error = measures.pitch_errors(recorded, track, path)
        rows.append(
            {
                "mel_cepstral_distance": measures.mel_cepstral_distance(recording, waveform, reference.audio),
                "mel_distance": measures.mel_distance(recording, waveform, reference.audio),
                "loudness_difference_db": measures.rms_db(waveform) - measures.rms_db(recording),
                "duration_ratio": measures.duration_ratio(recording, waveform),
                "pitch_error": pitch_error,
                "voicing_error": voicing_error,
                **_alone(waveform, track, reference.audio),
            }
        )
        if progress:
            progress(len(rows), name, len(speech))
    distances = measures.speaker_distances(reference.speaker, speech, reference.audio)
    return pandas.DataFrame(rows).assign(speaker_distance=distances)[list(MEASURES)]


def measured_recordings(reference: Reference) -> pandas.DataFrame:
    """`OF_RECORDINGS` of each recording, (sentences, measures)."""
    pairs = zip(reference.recordings, reference.pitch_tracks, strict=True)
    rows = [_alone(recording, track, reference.audio) for recording, track in pairs]
    distances = measures.speaker_distances(reference.speaker, reference.recordings, reference.audio)
    return pandas.DataFrame(rows).assign(speaker_distance=distances)[list(OF_RECORDINGS)]


def _alone(waveform: np.ndarray, track: np.ndarray, audio: AudioSettings) -> dict[str, float]:
    """What is measured without a recording of the same sentence. track: the trimmed waveform's pitch."""
    voiced = track[~np.isnan(track)]
    return {
        "pitch": float(np.median(voiced)) if len(voiced) else float("nan"),
        "silence_share": measures.silence_share(waveform, audio),
        "clipped_share": measures.clipped_share(waveform),
    }


def means(table: pandas.DataFrame) -> Metrics:
    """The means of what `measured` gives."""
    found = table.mean()
    pitch_error = None if np.isnan(found["pitch_error"]) else float(found["pitch_error"])
    values = {name: float(found[name]) for name in MEASURES} | {"pitch_error": pitch_error}
    return Metrics(len(table), **values | {"pitch": float(np.nan_to_num(found["pitch"]))})  # type: ignore[arg-type]


def compare(speech: Sequence[np.ndarray], reference: Reference) -> Metrics:
    """Figures of `speech`, a waveform for each of the recordings."""
    return means(measured(speech, reference))
