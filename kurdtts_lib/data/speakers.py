"""Who speaks in a corpus, how each voice sounds, and whose clips a voice learns from."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pandas

from kurdtts_lib.audio.distances import pitch, rms_db, trim
from kurdtts_lib.audio.io import decode, frame_levels, level_range_db
from kurdtts_lib.core.errors import AudioError, CorpusError
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data.dataset import sentence_hash
from kurdtts_lib.data.sources import SourceClip, changed, corpus_table, pick_clips

MOST_SURVEYED = 40
"""Speakers whose sound is examined, those with the most minutes. Common Voice has hundreds, most with a few clips."""
SURVEY_SECONDS = (1.5, 8.0)
"""Length of the clips that are examined: enough speech for a median, not so much that it takes long."""
NOT_SAID = "not said"
GENDERS = {"female_feminine": "female", "male_masculine": "male", "do_not_wish_to_say": NOT_SAID, "": NOT_SAID}
"""Common Voice wrote `female` first and `female_feminine` later; other words stay as they are."""
AGES = {
    "teens": "under 20",
    "twenties": "20 to 29",
    "thirties": "30 to 39",
    "fourties": "40 to 49",  # Common Voice's own spelling
    "forties": "40 to 49",
    "fifties": "50 to 59",
    "sixties": "60 to 69",
    "seventies": "70 to 79",
    "eighties": "80 to 89",
    "nineties": "90 or more",
    "": NOT_SAID,
}
MEASURED = ("pitch", "pitch_spread", "loudness", "level_range_db")


def speaker_name(client_id: str, keep: bool) -> str:
    """A name made from the id, such as `speaker-3f9a1c20b7`; the id itself with `keep`.

    The same id has the same name in every corpus and on every machine. Whoever has the id, or guesses it, can make the
    name again; from the name alone nobody can.
    """
    if keep:
        return client_id
    return "speaker-" + hashlib.sha256(f"kurdtts speaker {client_id}".encode()).hexdigest()[:10]


def usable_clips(clips: pandas.DataFrame, settings: CorpusSettings) -> pandas.Series:
    """True for each clip that votes, source and length (by its header, silence included) allow. clips: `corpus_table`.

    Text and sound are not looked at: a preparation leaves out some more.
    """
    usable = clips["fault"].eq("") & clips["seconds"].notna()
    if settings.min_up_votes is not None:
        usable &= clips["up_votes"] >= settings.min_up_votes
    if settings.max_down_votes is not None:
        usable &= clips["down_votes"] <= settings.max_down_votes
    if settings.min_seconds is not None:
        usable &= clips["seconds"] >= settings.min_seconds
    if settings.max_seconds is not None:
        usable &= clips["seconds"] <= settings.max_seconds
    return usable


def survey(
    settings: CorpusSettings,
    audio: AudioSettings,
    progress: Callable[..., None] | None = None,
    clips_per_speaker: int = 6,
    clips: pandas.DataFrame | None = None,
) -> pandas.DataFrame:
    """How the speakers sound: one row an examined clip, in the source's order.

    Columns: number, speaker (its name), seconds, pitch (median F0 in Hz), pitch_spread (distance of the quartiles of
    F0 in semitones), loudness (rms in dB of full scale) and level_range_db (see `audio`) without silent edges, reason
    (why there are no figures; empty if there are).
    Of each of the `MOST_SURVEYED` speakers with the most minutes `clips_per_speaker` usable clips of `SURVEY_SECONDS`
    are examined, chosen by the hash of the sentence. `clips` is the `corpus_table`, where one is there already: it
    takes a whole pass.
    `progress` is called with the clips done and the name of the pass.
    """
    if clips is None:
        clips = corpus_table(settings)
    chosen = _to_examine(clips, settings, clips_per_speaker)
    rows = []
    for clip in pick_clips(settings, chosen):
        figures = {"reason": "", **dict.fromkeys(MEASURED, np.nan), **_listen(clip, audio)}
        name = speaker_name(clip.client_id, settings.keep_client_ids)
        rows.append({"number": clip.number, "speaker": name, "seconds": chosen[clip.number], **figures})
        if progress:
            progress(len(rows), "pitch and loudness", len(chosen))
    if len(rows) < len(chosen):
        raise changed(settings)
    return pandas.DataFrame(rows, columns=["number", "speaker", "seconds", *MEASURED, "reason"])


def _to_examine(clips: pandas.DataFrame, settings: CorpusSettings, clips_per_speaker: int) -> dict[int, float]:
    """Seconds of each clip to examine, by its number."""
    usable = clips[usable_clips(clips, settings)]
    minutes = usable.groupby("client_id")["seconds"].sum().reset_index()
    speakers = minutes.sort_values(["seconds", "client_id"], ascending=[False, True])["client_id"][:MOST_SURVEYED]
    fitting = usable[usable["client_id"].isin(speakers) & usable["seconds"].between(*SURVEY_SECONDS)]
    drawn = fitting.sort_values("sentence", key=lambda texts: texts.map(sentence_hash), kind="stable")
    chosen = drawn.groupby("client_id", sort=False).head(clips_per_speaker)
    return dict(zip(chosen["number"], chosen["seconds"], strict=True))


def _listen(clip: SourceClip, audio: AudioSettings) -> dict[str, float | str]:
    """The figures of one clip, or the reason why there are none."""
    try:
        waveform = decode(clip.audio, audio.sampling_rate)
    except AudioError as error:
        return {"reason": str(error)}
    speech = trim(waveform)
    level_range = level_range_db(frame_levels(speech, audio.sampling_rate))
    sound: dict[str, float | str] = {"loudness": rms_db(speech), "level_range_db": level_range}
    # Every second frame: a clip of 4 s takes 0.13 s in place of 0.24 s (one core), and the medians of the sample's
    # speakers stay within 0.7 % of those of all frames.
    coarse = dataclasses.replace(audio, hop_length=min(2 * audio.hop_length, audio.win_length))
    voiced = pitch(waveform, coarse)
    if len(voiced) == 0:
        return {**sound, "reason": "no voice found"}
    quarter, median, three_quarters = np.percentile(voiced, [25, 50, 75])
    return {**sound, "pitch": float(median), "pitch_spread": semitones(three_quarters, quarter)}


def semitones(pitch_hz: float, from_hz: float) -> float:
    """How far one pitch lies above another; an octave, twice the Hertz, is 12."""
    return 12 * float(np.log2(pitch_hz / from_hz))


def speaker_table(
    clips: pandas.DataFrame, figures: pandas.DataFrame | None, settings: CorpusSettings
) -> pandas.DataFrame:
    """One row a speaker, indexed by name, most usable minutes first, ties by name.

    clips: from `corpus_table`; figures: from `survey`, or None where only the minutes matter. Columns: clips, usable
    (clips), minutes (usable), age, gender, and the medians of the examined clips' pitch, pitch_spread, loudness and
    level_range_db; NaN where none was examined.
    """
    names = {client_id: speaker_name(client_id, settings.keep_client_ids) for client_id in clips["client_id"].unique()}
    usable = usable_clips(clips, settings)
    grouped = clips.assign(
        usable=usable,
        minutes=clips["seconds"].where(usable, 0.0) / 60,
        age=clips["age"].map(lambda age: AGES.get(age, age)),
        gender=clips["gender"].map(lambda gender: GENDERS.get(gender, gender)),
    ).groupby(clips["client_id"].map(names).rename("speaker"))
    table = pandas.DataFrame(
        {
            "clips": grouped.size(),
            "usable": grouped["usable"].sum(),
            "minutes": grouped["minutes"].sum(),
            "age": grouped["age"].agg(_most_said),
            "gender": grouped["gender"].agg(_most_said),
        }
    )
    if figures is not None:
        table = table.join(figures.groupby("speaker")[list(MEASURED)].median())
    return _by_minutes(table)


def _most_said(values: pandas.Series) -> str:
    said = Counter(value for value in values if value != NOT_SAID)
    return min(said, key=lambda value: (-said[value], value)) if said else NOT_SAID


def _by_minutes(table: pandas.DataFrame) -> pandas.DataFrame:
    order = sorted(table.index, key=lambda name: (-table.at[name, "minutes"], name))
    return table.loc[order].rename_axis("speaker")


def choose_speakers(table: pandas.DataFrame, settings: CorpusSettings) -> list[str]:
    """Names of the speakers that `settings.speaker` means; its docstring tells the rules. table: `speaker_table`.

    A group may stay below its minutes, where no more speakers fit: `choice_line` tells it.
    Raises CorpusError for a name that is not in the table, or if no speaker has a usable clip.
    """
    ordered = _by_minutes(table)
    if ordered.empty or ordered["minutes"].iloc[0] <= 0:
        raise CorpusError("No speaker has a usable clip. Look at votes and lengths in notebook 2.")
    if settings.speaker == "all":
        return list(ordered.index)
    if settings.speaker == "one":
        return [ordered.index[0]]
    if settings.speaker == "group":
        return _group(ordered, settings)
    return _named(ordered, settings.speaker)


def _group(ordered: pandas.DataFrame, settings: CorpusSettings) -> list[str]:
    """The first speaker and those around its pitch, the nearest first, until the minutes are there.

    Only one gender is ever said in a group. Where the first speaker did not say it, the nearest who did decides.
    """
    first = ordered.iloc[0]
    distance = ordered["pitch"].map(lambda hertz: abs(semitones(hertz, first["pitch"]))).iloc[1:]  # NaN: no pitch
    near = distance[distance <= settings.group_semitones].sort_values(kind="stable").index
    chosen, minutes, gender = [str(ordered.index[0])], first["minutes"], first["gender"]
    for name in near:
        if minutes >= settings.group_minutes:
            break
        said = ordered.at[name, "gender"]
        if NOT_SAID in (said, gender) or said == gender:
            chosen.append(name)
            minutes += ordered.at[name, "minutes"]
            gender = said if gender == NOT_SAID else gender
    return chosen


def _named(ordered: pandas.DataFrame, wanted: str) -> list[str]:
    """The table's names for pseudonyms or ids, separated by commas, each once."""
    known = {name: name for name in ordered.index}
    known |= {speaker_name(name, keep=False): name for name in ordered.index}
    chosen = []
    for part in filter(None, map(str.strip, wanted.split(","))):
        name = known.get(part) or known.get(speaker_name(part, keep=False))
        if name is None:
            names = ", ".join(str(name) for name in ordered.index[:10])
            raise CorpusError(
                f"There is no speaker {part[:40]!r}. Write one, group, all, or names from notebook 2. "
                f"The first of {len(ordered)} are: {names}."
            )
        chosen.append(name)
    if not chosen:
        raise CorpusError("No speaker is named. Write one, group, all, or names from notebook 2.")
    return list(dict.fromkeys(chosen))


def minutes_of(table: pandas.DataFrame, names: Sequence[str]) -> float:
    """Usable minutes of these speakers together."""
    return float(table.loc[list(names), "minutes"].sum())


def choice_line(table: pandas.DataFrame, names: Sequence[str], settings: CorpusSettings) -> str:
    """How many speakers and minutes a choice has, and whether a group found fewer minutes than it should."""
    minutes = minutes_of(table, names)
    line = f"{len(names)} {'speaker' if len(names) == 1 else 'speakers'}, {minutes:.1f} usable minutes"
    if settings.speaker == "group" and minutes < settings.group_minutes:
        line += (
            f": less than the {settings.group_minutes:g} minutes that a group should have. Nobody else fits within "
            f"{settings.group_semitones:g} semitones."
        )
    return line
