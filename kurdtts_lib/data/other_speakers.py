"""Speech of other speakers: the baseline for speaker similarity."""

import warnings
from pathlib import Path

import numpy as np
import pandas

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.data import filtering
from kurdtts_lib.data.dataset import KEPT, sentence_hash
from kurdtts_lib.data.filters import Reason
from kurdtts_lib.data.preprocess import Preprocessing, preprocess
from kurdtts_lib.data.sources import changed, read_corpus
from kurdtts_lib.data.training_set import corpus_settings


def other_speakers(folder: Path, audio: AudioSettings, clips_per_speaker: int) -> dict[str, list[np.ndarray]]:
    """Waveforms (samples,) of the corpus's other speakers, by name: baselines for speaker similarity.

    At most the four speakers with the most clips, each with `clips_per_speaker` usable clips out of twice as many
    candidates, chosen by the hash of the sentence. A speaker with fewer is omitted: the estimate would be too noisy.
    Empty, with a warning, if the source is missing or has changed: a finished training must not fail for lack of a
    baseline.
    """
    try:
        return _other_speakers(folder, audio, clips_per_speaker)
    except CorpusError as error:
        warnings.warn(f"There are no other speakers to compare the voice with. {error}", stacklevel=2)
        return {}


def _other_speakers(folder: Path, audio: AudioSettings, clips_per_speaker: int) -> dict[str, list[np.ndarray]]:
    settings = corpus_settings(folder)
    columns = {"number": int, "speaker": str, "sentence": str, "text": str, "reason": str}
    table = pandas.read_csv(
        folder / "clips.csv", keep_default_na=False, dtype=columns, encoding="utf-8", usecols=list(columns)
    )
    others = table[table["reason"] == Reason.ANOTHER_SPEAKER].set_index("number")
    speech: dict[str, list[np.ndarray]] = {name: [] for name in others["speaker"].value_counts().index[:4]}
    others = others[others["speaker"].isin(speech)].sort_values("sentence", key=lambda texts: texts.map(sentence_hash))
    others = others.groupby("speaker").head(2 * clips_per_speaker)
    preprocessing = Preprocessing.of(settings, audio)
    for clip in read_corpus(settings, others.index) if speech else ():
        row = others.loc[clip.number]
        if clip.sentence != row["sentence"]:
            raise changed(settings)
        waveforms = speech[row["speaker"]]
        if len(waveforms) < clips_per_speaker:
            processed = preprocess(clip.audio, preprocessing)
            clip.text, clip.reason = row["text"], processed.fault or KEPT
            vars(clip).update(processed.figures or {})
            filtering.filter_audio([clip], settings, audio.hop_length, audio.sampling_rate)
            if clip.reason == KEPT and processed.waveform is not None:
                waveforms.append(processed.waveform)
    return {name: waveforms for name, waveforms in speech.items() if len(waveforms) == clips_per_speaker}
