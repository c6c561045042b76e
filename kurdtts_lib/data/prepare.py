"""From a corpus to a training set: every clip is kept or left out for a counted reason."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.files import check_own
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data import filters
from kurdtts_lib.data.audio_cache import AudioCache
from kurdtts_lib.data.cache import NAME, open_cache
from kurdtts_lib.data.dataset import part_of
from kurdtts_lib.data.filters import KEPT, ClipRecord, kept
from kurdtts_lib.data.preprocess import Preprocessing
from kurdtts_lib.data.reasons import Reason
from kurdtts_lib.data.sources import SourceClip, corpus_table, read_corpus
from kurdtts_lib.data.speakers import choose_speakers, speaker_name, speaker_table, survey
from kurdtts_lib.data.training_set import RECORD, table_of, write_training_set

Progress = Callable[..., None]
"""Called with the clips done, the name of the pass, and how many there are, or None where nobody knows."""
AUDIBLE_OFFSET = 0.005
"""Of full scale: from here on taking out an offset is told as a repair."""


@dataclass(frozen=True)
class Preparation:
    """What became of a corpus."""

    folder: Path
    clips: pandas.DataFrame
    """One row a source clip, with the columns that `training_set.COLUMNS` explains."""
    speakers: list[str]
    """The voice's speakers, by the names that stand in `clips`."""
    treated: int
    """Clips whose sound was worked on in this run; the others were known from earlier ones."""

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
        return Counter(repair for repairs in self.kept["mended"] for repair in repairs.split("; ") if repair)


def prepare(
    settings: CorpusSettings, audio: AudioSettings, folder: Path, progress: Progress | None = None
) -> Preparation:
    """Make `folder` a training set; `training_set.write_training_set` says what is in it.

    May be stopped at any moment, also by kill -9: the same call goes on and ends with the same bytes. Until the end the
    folder's earlier tables stay as they were. A second run works only on sounds that it does not know.
    Raises CorpusError if nothing is left to train on, the source changes meanwhile or a disk is full, KurdTTSError if
    `folder` holds something else.
    """
    check_own(folder, NAME, RECORD)
    _check_apart(Path(settings.source), folder)
    tell = progress or (lambda done, name, total=None: None)
    records = [
        filters.filter_text(clip, settings, speaker_name(clip.client_id, settings.keep_client_ids))
        for clip in _counted(read_corpus(settings, with_audio=False), "votes and text", tell)
    ]
    _need_some(records, "after votes and text")
    speakers = _choose_speakers(records, settings, audio, tell)
    for record in kept(records):
        if record["speaker"] not in speakers:
            record["reason"] = Reason.ANOTHER_SPEAKER
    try:
        return _with_sound(records, speakers, settings, audio, folder, tell)
    except OSError as error:
        raise CorpusError(
            f"The preparation stopped: {error}. Is a disk full, or gone? Then run the same again: it goes on where it "
            "stopped."
        ) from error


def _with_sound(
    records: list[ClipRecord],
    speakers: list[str],
    settings: CorpusSettings,
    audio: AudioSettings,
    folder: Path,
    tell: Progress,
) -> Preparation:
    """The second half: what needs the sounds, and all that is written."""
    folder.mkdir(parents=True, exist_ok=True)
    treatment = Preprocessing.of(settings, audio)
    with open_cache(folder, treatment.recipe()) as ledger:
        sounds = AudioCache(folder / "wavs", ledger, treatment, settings, tell)
        sounds.measure(records)
        _judge(records, settings, audio, sounds)
        sounds.restore(records)
        _need_some(records, "in the end")
        for record in kept(records):
            record["part"] = part_of(record["text"], settings.held_out_share)
            record["file"] = f"wavs/{record['digest']}.wav"
            repairs = [record["mended"], *_sound_repairs(record, settings)]
            record["mended"] = "; ".join(repair for repair in repairs if repair)
        clips = table_of(records, settings)
        write_training_set(folder, clips, speakers, settings, audio)
        sounds.remove_unused(records)
    return Preparation(folder, clips, speakers, sounds.treated)


def _check_apart(source: Path, folder: Path) -> None:
    """Raise CorpusError if one of the two lies in the other: a second run would read what the first one wrote."""
    if not source.exists():  # a name on the hub
        return
    one, other = source.resolve(), folder.resolve()
    if one.is_relative_to(other) or (source.is_dir() and other.is_relative_to(one)):
        raise CorpusError(f"{folder} and the source {source} lie in each other. Choose a folder elsewhere to write to.")


def _judge(records: list[ClipRecord], settings: CorpusSettings, audio: AudioSettings, sounds: AudioCache) -> None:
    """All rules that need the sounds' figures."""
    for record in kept(records):
        filters.filter_audio(record, settings, audio.hop_length, audio.sampling_rate)
    filters.filter_speaking_rate(records, settings)
    filters.filter_duplicate_audio(records)  # after the pace, which often tells whose text it is
    if settings.min_dnsmos is not None:
        sounds.judge_cleanliness(records)
        filters.filter_cleanliness(records, settings)
    if settings.one_clip_per_sentence:
        filters.filter_repeated_sentences(records)


def _sound_repairs(record: ClipRecord, settings: CorpusSettings) -> Iterator[str]:
    if record["channels"] > 1:
        yield "several channels to one"
    if settings.remove_dc and abs(record["dc_offset"]) > AUDIBLE_OFFSET:
        yield "constant offset"
    if settings.loudness_lufs is not None and abs(record["lufs"] - settings.loudness_lufs) > 0.5:
        yield "quieter than the others, because of its peaks"


def _counted(clips: Iterator[SourceClip], name: str, tell: Progress) -> Iterator[SourceClip]:
    for done, clip in enumerate(clips, 1):
        yield clip
        tell(done, name)


def _need_some(records: list[ClipRecord], when: str) -> None:
    if not kept(records):
        reasons = dict(Counter(str(record["reason"]) for record in records))
        raise CorpusError(f"Of {len(records)} clips none is left {when}: {reasons}")


def _choose_speakers(
    records: list[ClipRecord], settings: CorpusSettings, audio: AudioSettings, tell: Progress
) -> list[str]:
    names = sorted({record["speaker"] for record in kept(records)})
    by_minutes = settings.speaker in ("one", "group")
    if settings.speaker == "all" or (by_minutes and len(names) == 1):
        return names
    if not by_minutes:  # names: no need to know how much they read
        return choose_speakers(pandas.DataFrame({"minutes": 1.0}, index=names), settings)
    usable = {record["number"] for record in kept(records)}
    clips = corpus_table(settings, lambda done, name: tell(done, name, len(records)))
    clips = clips[clips["number"].isin(usable)]
    figures = survey(settings, audio, tell, clips=clips) if settings.speaker == "group" else None
    return choose_speakers(speaker_table(clips, figures, settings), settings)
