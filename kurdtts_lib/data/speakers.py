"""The speakers of a corpus: their amount of speech, their acoustic statistics, and the choice for training."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas

from kurdtts_lib.audio.features import pitch_track, trim
from kurdtts_lib.audio.io import decode
from kurdtts_lib.audio.levels import frame_levels, level_range_db, rms_db
from kurdtts_lib.core.errors import AudioError, CorpusError
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data.dataset import KEPT, Clip, sentence_hash
from kurdtts_lib.data.filtering import apply_rules
from kurdtts_lib.data.filters import LENGTH, SOUND, VOTES, Reason
from kurdtts_lib.data.preprocess import preprocess
from kurdtts_lib.data.sources import read_again, speaker_name
from kurdtts_lib.data.training_set import corpus_settings

MOST_SURVEYED = 40
"""Speakers whose audio is measured: those with the most minutes. Common Voice has hundreds, most with few clips."""
SURVEYED_CLIPS, SURVEY_SECONDS = 6, (1.5, 8.0)
"""Number and length of the measured clips of each: enough speech for a median at little cost."""
NOT_SAID = "not said"
GENDERS = {"female_feminine": "female", "male_masculine": "male", "do_not_wish_to_say": NOT_SAID, "": NOT_SAID}
"""Older releases of Common Voice have `female`, newer ones `female_feminine`; other values stay as they are."""
MEASURED = ("pitch", "pitch_spread", "loudness", "level_range_db")


def usable_clips(clips: pandas.DataFrame, settings: CorpusSettings) -> pandas.Series:
    """True for each clip that passes the filters on faults, votes and length (from the header). clips: `corpus_table`.

    Text and audio are not checked, so a preparation leaves out more.
    """
    usable = clips["reason"].eq(KEPT) & clips["seconds"].notna()
    for rule in (*VOTES, *LENGTH):
        if (limit := getattr(settings, rule.setting)) is not None:
            usable &= ~rule.outside(clips[rule.column], limit)
    return usable


def survey(
    settings: CorpusSettings, audio: AudioSettings, progress: Callable[..., None], clips: pandas.DataFrame
) -> pandas.DataFrame:
    """Pitch and loudness of a sample of clips: one row per measured clip, in the source's order.

    Columns: number, speaker (name), seconds, pitch (median F0 in Hz), pitch_spread (interquartile range of F0 in
    semitones), loudness (RMS in dB of full scale) and level_range_db (see `audio`), both without silent edges, and
    reason (why there are no values; otherwise empty).
    For each of the `MOST_SURVEYED` speakers with the most minutes, `SURVEYED_CLIPS` usable clips of `SURVEY_SECONDS`
    are measured, chosen by the hash of the sentence. clips: the `corpus_table`.
    progress: called with the clips done, the name of the pass and the total.
    """
    usable = clips[usable_clips(clips, settings)]
    minutes = usable.groupby("speaker")["seconds"].sum().sort_values(ascending=False, kind="stable")
    fitting = usable[usable["speaker"].isin(minutes.index[:MOST_SURVEYED]) & usable["seconds"].between(*SURVEY_SECONDS)]
    drawn = _drawn(fitting, SURVEYED_CLIPS)
    rows = []
    for clip in read_again(settings, drawn["sentence"].to_dict()):
        about = {"number": clip.number, "speaker": clip.speaker, "seconds": drawn.at[clip.number, "seconds"]}
        rows.append({**about, "reason": ""} | _measure(clip, audio))
        progress(len(rows), "pitch and loudness", len(drawn))
    return pandas.DataFrame(rows, columns=["number", "speaker", "seconds", *MEASURED, "reason"])


def _drawn(clips: pandas.DataFrame, per_speaker: int) -> pandas.DataFrame:
    """So many clips of each speaker by the hash of their sentences, indexed by number."""
    ordered = clips.sort_values("sentence", key=lambda texts: texts.map(sentence_hash), kind="stable")
    return ordered.groupby("speaker").head(per_speaker).set_index("number")


def _measure(clip: Clip, audio: AudioSettings) -> dict[str, float | str]:
    """Statistics of one clip, or the reason why there are none."""
    try:
        waveform = decode(clip.audio, audio.sampling_rate)
    except AudioError as error:
        return {"reason": str(error)}
    speech = trim(waveform)
    level_range = level_range_db(frame_levels(speech, audio.sampling_rate))
    sound: dict[str, float | str] = {"loudness": rms_db(speech), "level_range_db": level_range}
    track = pitch_track(waveform, audio)
    if np.isnan(track).all():
        return {**sound, "reason": "no voice found"}
    quarter, median, three_quarters = np.nanpercentile(track, [25, 50, 75])
    spread = 12 * float(np.log2(three_quarters / quarter))  # an octave, twice the frequency, has 12 semitones
    return {**sound, "pitch": float(median), "pitch_spread": spread}


def speaker_table(
    clips: pandas.DataFrame, surveyed: pandas.DataFrame | None, settings: CorpusSettings
) -> pandas.DataFrame:
    """One row per speaker, indexed by name, most usable minutes first, ties by name.

    clips: from `corpus_table`; surveyed: from `survey`, or None where only the minutes matter. Columns: clips, usable
    (clips), minutes (usable), age, gender, and the medians of pitch, pitch_spread, loudness and level_range_db over the
    surveyed clips; NaN where there are none.
    """
    usable = usable_clips(clips, settings)
    rows = clips.assign(
        usable=usable,
        minutes=clips["seconds"].where(usable, 0.0) / 60,
        age=clips["age"].replace("", NOT_SAID),
        gender=clips["gender"].replace(GENDERS),
    )
    totals = {"clips": ("usable", "size"), "usable": ("usable", "sum"), "minutes": ("minutes", "sum")}
    table = rows.groupby("speaker").agg(**totals, age=("age", _most_common), gender=("gender", _most_common))
    if surveyed is not None:
        table = table.join(surveyed.groupby("speaker")[list(MEASURED)].median())
    return table.sort_index().sort_values("minutes", ascending=False, kind="stable").rename_axis("speaker")


def _most_common(answers: pandas.Series) -> str:
    given = answers[answers != NOT_SAID].mode()  # of equally frequent ones the first in the alphabet
    return given.iloc[0] if len(given) else NOT_SAID


def choose_speakers(table: pandas.DataFrame, settings: CorpusSettings) -> list[str]:
    """Names of the speakers that `settings.speaker` selects; see its docstring. table: `speaker_table`.

    Raises CorpusError for a name that is not in the table, or if no speaker has a usable clip.
    """
    if table.empty or table["minutes"].iloc[0] <= 0:
        raise CorpusError("No speaker has a usable clip. Look at votes and lengths in notebook 2.")
    if settings.speaker in ("one", "all"):
        return list(table.index[:1] if settings.speaker == "one" else table.index)
    chosen = {}  # each once
    for part in filter(None, map(str.strip, settings.speaker.split(","))):
        name = part if part in table.index else speaker_name(part)
        if name not in table.index:
            raise CorpusError(
                f"There is no speaker {part[:40]!r}. Write one, all, or names from notebook 2. "
                f"The first of {len(table)} are: {', '.join(map(str, table.index[:10]))}."
            )
        chosen[name] = True
    if not chosen:
        raise CorpusError("No speaker is named. Write one, all, or names from notebook 2.")
    return list(chosen)


def other_speakers(folder: Path, audio: AudioSettings, clips_per_speaker: int) -> dict[str, list[np.ndarray]]:
    """Waveforms (samples,) of the corpus's other speakers, by name: baselines for speaker similarity.

    At most the four speakers with the most clips, each with `clips_per_speaker` usable clips out of twice as many
    candidates, chosen by the hash of the sentence. A speaker with fewer is omitted: the estimate would be too noisy.
    Empty, with a warning, if the source is missing or has changed: a finished training must not fail for lack of a
    baseline.
    """
    settings, texts = corpus_settings(folder), dict.fromkeys(("speaker", "sentence"), str)
    table = pandas.read_csv(folder / "clips.csv", keep_default_na=False, dtype=texts, encoding="utf-8")
    others = table[table["reason"] == Reason.ANOTHER_SPEAKER]
    speech: dict[str, list[np.ndarray]] = {name: [] for name in others["speaker"].value_counts().index[:4]}
    others = _drawn(others[others["speaker"].isin(speech)], 2 * clips_per_speaker)
    try:
        for clip in read_again(settings, others["sentence"].to_dict()) if speech else ():
            processed = preprocess(clip.audio, settings, audio.sampling_rate)
            if processed.waveform is not None:
                vars(clip).update(processed.figures or {})
                apply_rules([clip], SOUND, settings)
                if clip.reason == KEPT:
                    speech[clip.speaker].append(processed.waveform)
    except CorpusError as error:
        warnings.warn(f"There are no other speakers to compare the voice with. {error}", stacklevel=2)
        return {}
    return {name: some[:clips_per_speaker] for name, some in speech.items() if len(some) >= clips_per_speaker}
