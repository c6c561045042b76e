"""From a corpus to a training set: every clip is kept or left out for a counted reason."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas

from kurdtts_lib.audio import decode, header, peak_level_db, trim_silence, write_wav
from kurdtts_lib.corpus.clips import part_of, write_metadata
from kurdtts_lib.corpus.sources import SourceClip, read_corpus
from kurdtts_lib.errors import AudioError, CorpusError, TextError
from kurdtts_lib.files import atomic_folder, check_own, read_json, write_json, write_text
from kurdtts_lib.settings import AudioSettings, CorpusSettings, describe
from kurdtts_lib.text import normalize
from kurdtts_lib.text.normalization import SILENT_RULES

KEPT = "kept"


@dataclass(frozen=True)
class Preparation:
    """What became of a corpus."""

    folder: Path
    clips: pandas.DataFrame
    """One row a source clip: number, name, client_id, sentence, text, reason, detail, mended, channels, seconds, part,
    file."""
    speaker: str

    @property
    def reasons(self) -> pandas.Series:
        """Clips by reason, `kept` among them; the sum is the number of source clips."""
        return self.clips["reason"].value_counts()

    @property
    def kept(self) -> pandas.DataFrame:
        return self.clips[self.clips["reason"] == KEPT]

    @property
    def mended(self) -> Counter:
        """How many kept clips needed which repair."""
        repairs = Counter(repair for repairs in self.kept["mended"] for repair in repairs.split("; ") if repair)
        repairs["several channels to one"] = int((self.kept["channels"] > 1).sum())
        return +repairs


def prepare(
    settings: CorpusSettings,
    audio: AudioSettings,
    folder: Path,
    progress: Callable[[int, str], None] | None = None,
) -> Preparation:
    """Write `folder` anew: `wavs/`, `metadata.csv`, `clips.csv` (every clip's fate), `preparation.json`.

    The folder appears whole or not at all. `progress` is called with the clips done and the name of the pass.
    Raises CorpusError if nothing is left to train on, KurdTTSError if `folder` holds something else.
    """
    check_own(folder, "preparation.json")
    if Path(settings.source).absolute().is_relative_to(folder.absolute()):
        raise CorpusError(f"{folder} holds the source itself. Choose another folder to write to.")
    tell = progress or (lambda done, name: None)
    fates = [_judge_text(clip, settings) for clip in _counted(read_corpus(settings), "votes and text", tell)]
    _leave_out_repeated(fates)
    speaker = _choose_speaker(fates, settings.speaker)
    for fate in fates:
        if fate["reason"] == KEPT and fate["client_id"] != speaker:
            fate["reason"] = "another speaker"
    with atomic_folder(folder) as temporary:
        for clip in _counted(read_corpus(settings), "audio", tell):
            fate = fates[clip.number]
            if fate["reason"] == KEPT:
                fate |= _write_audio(clip, fate["text"], settings, audio, temporary)
        table = pandas.DataFrame(fates)
        kept = table[table["reason"] == KEPT]
        if kept.empty:
            raise CorpusError(f"Of {len(table)} clips none is left: {dict(table['reason'].value_counts())}")
        write_metadata(temporary / "metadata.csv", zip(kept["file"], kept["text"], strict=True))
        write_text(temporary / "clips.csv", table.to_csv(index=False, lineterminator="\n"))
        reasons = {reason: int(count) for reason, count in table["reason"].value_counts().items()}
        write_json(
            temporary / "preparation.json",
            {"corpus": describe(settings), "audio": describe(audio), "speaker": speaker, "reasons": reasons},
        )
    return Preparation(folder, table, speaker)


def _counted(clips, name: str, tell: Callable[[int, str], None]):  # type: ignore[no-untyped-def]
    for done, clip in enumerate(clips, 1):
        yield clip
        tell(done, name)


def _judge_text(clip: SourceClip, settings: CorpusSettings) -> dict:
    """Everything that can be said of a clip without decoding it."""
    text, repairs, reason, detail = _judge_sentence(clip.sentence)
    if clip.fault:
        reason, detail = clip.fault, clip.name
    elif settings.max_down_votes is not None and clip.down_votes > settings.max_down_votes:
        reason, detail = "voted down", f"{clip.down_votes} votes against"
    elif settings.min_up_votes is not None and clip.up_votes < settings.min_up_votes:
        reason, detail = "too few votes", f"{clip.up_votes} votes for"
    return {
        "number": clip.number,
        "name": clip.name,
        "client_id": clip.client_id,
        "sentence": clip.sentence,
        "text": text,
        "reason": reason,
        "detail": detail,
        "mended": "; ".join(repairs),
        "channels": 1,
        "seconds": np.nan,
        "part": "",
        "file": "",
    }


def _judge_sentence(sentence: str) -> tuple[str, list[str], str, str]:
    """Its spoken form, the rules that mended it, and whether a recording of it can be trained on.

    Left out is what has no reading, and what people read differently (the language's `uncertain` rules): nobody knows
    which words the reader said.
    """
    try:
        normalized = normalize(sentence)
    except TextError as error:
        return "", [], error.reason, error.characters or sentence
    repairs = list(dict.fromkeys(change.rule for change in normalized.changes if change.rule not in SILENT_RULES))
    if uncertain := normalized.uncertain():
        places = "; ".join(f"{change.before} ({change.rule})" for change in uncertain)
        return normalized.text, repairs, "uncertain reading", places
    return normalized.text, repairs, KEPT, ""


def _leave_out_repeated(fates: list[dict]) -> None:
    """The first clip of a sentence by a speaker stays; the others would only make its words count double."""
    seen: set[tuple[str, str]] = set()
    for fate in fates:
        if fate["reason"] == KEPT:
            key = (fate["client_id"], fate["text"])
            if key in seen:
                fate["reason"] = "sentence already read by this speaker"
            seen.add(key)


def _choose_speaker(fates: list[dict], wanted: str) -> str:
    counts = Counter(fate["client_id"] for fate in fates if fate["reason"] == KEPT)
    if not counts:
        reasons = dict(Counter(fate["reason"] for fate in fates))
        raise CorpusError(f"Of {len(fates)} clips none is left after votes and text: {reasons}")
    if wanted == "one":
        return counts.most_common(1)[0][0]
    if wanted not in counts:
        raise CorpusError(f"No usable clip is by the speaker {wanted[:16]!r}. Choose one from notebook 2's table.")
    return wanted


@dataclass(frozen=True)
class _Sound:
    """A clip's trimmed waveform, or the reason why it cannot be used."""

    reason: str
    detail: str = ""
    waveform: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    channels: int = 1


def _load_sound(clip: SourceClip, settings: CorpusSettings, audio: AudioSettings) -> _Sound:
    """Decode, check and trim."""
    rate = audio.sampling_rate
    try:
        waveform = decode(clip.audio, rate)
        channels = header(clip.audio)[2]
    except AudioError as error:
        return _Sound("cannot be decoded", str(error))
    if peak_level_db(waveform, rate) < settings.silence_db:
        return _Sound("silent", f"nothing above {settings.silence_db:g} dB")
    trimmed = trim_silence(waveform, rate, settings.trim_db, settings.pad_seconds)
    if len(trimmed) > settings.max_seconds * rate:
        return _Sound("too long", f"{len(trimmed) / rate:.1f} s, longer than {settings.max_seconds:g} s")
    if len(trimmed) < settings.min_seconds * rate:
        return _Sound("too short", f"{len(trimmed) / rate:.1f} s, shorter than {settings.min_seconds:g} s")
    return _Sound(KEPT, waveform=trimmed, channels=channels)


def _write_audio(clip: SourceClip, text: str, settings: CorpusSettings, audio: AudioSettings, folder: Path) -> dict:
    """Write the clip if it can be used; the columns of its fate that follow from its sound."""
    sound = _load_sound(clip, settings, audio)
    if sound.reason != KEPT:
        return {"reason": sound.reason, "detail": sound.detail}
    positions, frames = 2 * len(text) + 1, len(sound.waveform) // audio.hop_length
    if positions > frames:  # no alignment exists: the recording was cut, or the text is another one's
        return {"reason": "text too long for its sound", "detail": f"{len(text)} letters in {frames} frames"}
    # Numbered, not named after the source: any system accepts the name, and a hostile path goes nowhere.
    file = f"wavs/{clip.number:06d}.wav"
    write_wav(folder / file, sound.waveform, audio.sampling_rate)
    return {
        "seconds": len(sound.waveform) / audio.sampling_rate,
        "part": part_of(text, settings.held_out_share),
        "file": file,
        "channels": sound.channels,
    }


def corpus_settings(folder: Path) -> CorpusSettings:
    """The settings a prepared folder was made with. Raises CorpusError if `folder` is not one."""
    record = folder / "preparation.json"
    if not record.is_file():
        raise CorpusError(f"{record} does not exist. Prepare the data first: notebook 3, or `kurdtts prepare`.")
    try:
        return CorpusSettings(**read_json(record)["corpus"])
    except TypeError as error:  # a setting that this version does not know
        raise CorpusError(f"{record} was written by another version of the course. Prepare the data again.") from error


def other_speakers(folder: Path, audio: AudioSettings, clips_per_speaker: int) -> dict[str, list[np.ndarray]]:
    """Speech of the corpus's other speakers, by `client_id`: baselines for speaker likeness.

    At most four speakers, those with the most clips, each with its first `clips_per_speaker` usable ones; a speaker
    with fewer is not returned, because so little speech says little about a voice.
    """
    settings = corpus_settings(folder)
    table = pandas.read_csv(folder / "clips.csv", keep_default_na=False, dtype={"client_id": str}, encoding="utf-8")
    others = table[table["reason"] == "another speaker"]
    speech: dict[str, list[np.ndarray]] = {speaker: [] for speaker in others["client_id"].value_counts().index[:4]}
    candidates = set(others["number"])
    for clip in read_corpus(settings):
        heard = speech.get(clip.client_id)
        if clip.number in candidates and heard is not None and len(heard) < clips_per_speaker:
            sound = _load_sound(clip, settings, audio)
            if sound.reason == KEPT:
                heard.append(sound.waveform)
    return {speaker: heard for speaker, heard in speech.items() if len(heard) == clips_per_speaker}
