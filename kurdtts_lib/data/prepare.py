"""Prepare a training set from a corpus: every clip is kept, or left out for a counted reason."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.files import check_own
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data import filtering
from kurdtts_lib.data.audio_cache import AudioCache
from kurdtts_lib.data.dataset import part_of
from kurdtts_lib.data.feature_cache import NAME, open_cache
from kurdtts_lib.data.filtering import KEPT, ClipRecord, kept
from kurdtts_lib.data.filters import Reason
from kurdtts_lib.data.preprocess import Preprocessing
from kurdtts_lib.data.sources import SourceClip, corpus_table, read_corpus
from kurdtts_lib.data.speakers import choose_speakers, speaker_name, speaker_table, survey
from kurdtts_lib.data.training_set import RECORD, table_of, write_training_set

Progress = Callable[..., None]
"""Called with the number of clips done, the name of the pass, and the total, which is left out where it is unknown."""
LARGE_OFFSET = 0.005
"""Share of full scale: removing a larger DC offset is reported as a repair."""


@dataclass(frozen=True)
class Preparation:
    """The result of a preparation."""

    folder: Path
    clips: pandas.DataFrame
    """One row per source clip, with the columns of `training_set.COLUMNS`."""
    speakers: list[str]
    """The voice's speakers, named as in `clips`."""
    processed: int
    """Clips whose audio was preprocessed in this run; the others came from the cache."""

    @property
    def reasons(self) -> pandas.Series:
        """Number of clips by reason, `kept` included; the sum is the number of source clips."""
        return self.clips["reason"].value_counts()

    @property
    def kept(self) -> pandas.DataFrame:
        return self.clips[self.clips["reason"] == KEPT]

    @property
    def mended(self) -> Counter:
        """Number of kept clips by repair (text normalisation rule or audio repair)."""
        return Counter(repair for repairs in self.kept["mended"] for repair in repairs.split("; ") if repair)


def prepare(
    settings: CorpusSettings, audio: AudioSettings, folder: Path, progress: Progress | None = None
) -> Preparation:
    """Write a training set into `folder`; `training_set.write_training_set` describes its files.

    May be interrupted at any moment, even by kill -9: the same call resumes and produces the same bytes. The folder's
    earlier tables are replaced only at the end. A second run preprocesses only audio that is not in the cache.
    Raises CorpusError if no clip is left, the source changes during the run or a disk is full; KurdTTSError if `folder`
    contains other files.
    """
    check_own(folder, NAME, RECORD)
    _check_apart(Path(settings.source), folder)
    progress = progress or (lambda done, name, total=None: None)
    records = [
        filtering.filter_text(clip, settings, speaker_name(clip.client_id, settings.keep_client_ids))
        for clip in _counted(read_corpus(settings, with_audio=False), "votes and text", progress)
    ]
    _need_some(records, "after votes and text")
    speakers = _choose_speakers(records, settings, audio, progress)
    for record in kept(records):
        if record["speaker"] not in speakers:
            record["reason"] = Reason.ANOTHER_SPEAKER
    try:
        return _with_audio(records, speakers, settings, audio, folder, progress)
    except OSError as error:
        raise CorpusError(
            f"The preparation stopped: {error}. Is a disk full, or gone? Then run the same again: it goes on where it "
            "stopped."
        ) from error


def _with_audio(
    records: list[ClipRecord],
    speakers: list[str],
    settings: CorpusSettings,
    audio: AudioSettings,
    folder: Path,
    progress: Progress,
) -> Preparation:
    """The part of the preparation that needs the audio, and everything that is written."""
    folder.mkdir(parents=True, exist_ok=True)
    preprocessing = Preprocessing.of(settings, audio)
    with open_cache(folder, preprocessing.cache_key()) as cache:
        audio_cache = AudioCache(folder / "wavs", cache, preprocessing, settings, progress)
        audio_cache.measure(records)
        _filter(records, settings, audio, audio_cache)
        audio_cache.restore(records)
        _need_some(records, "in the end")
        for record in kept(records):
            record["part"] = part_of(record["text"], settings.held_out_share)
            record["file"] = f"wavs/{record['digest']}.wav"
            repairs = [record["mended"], *_audio_repairs(record, settings)]
            record["mended"] = "; ".join(repair for repair in repairs if repair)
        clips = table_of(records, settings)
        write_training_set(folder, clips, speakers, settings, audio)
        audio_cache.remove_unused(records)
    return Preparation(folder, clips, speakers, audio_cache.processed)


def _check_apart(source: Path, folder: Path) -> None:
    """Raise CorpusError if one folder contains the other: a second run would read the output of the first."""
    if not source.exists():  # a name on the hub
        return
    one, other = source.resolve(), folder.resolve()
    if one.is_relative_to(other) or (source.is_dir() and other.is_relative_to(one)):
        raise CorpusError(f"{folder} and the source {source} lie in each other. Choose a folder elsewhere to write to.")


def _filter(records: list[ClipRecord], settings: CorpusSettings, audio: AudioSettings, audio_cache: AudioCache) -> None:
    """Apply all filters that need audio statistics."""
    for record in kept(records):
        filtering.filter_audio(record, settings, audio.hop_length, audio.sampling_rate)
    filtering.filter_speaking_rate(records, settings)
    filtering.filter_duplicate_audio(records)  # after the speaking rate, which often shows whose text the audio has
    if settings.min_dnsmos is not None:
        audio_cache.score_cleanliness(records)
        filtering.filter_cleanliness(records, settings)
    if settings.one_clip_per_sentence:
        filtering.filter_repeated_sentences(records)


def _audio_repairs(record: ClipRecord, settings: CorpusSettings) -> Iterator[str]:
    if record["channels"] > 1:
        yield "several channels to one"
    if settings.remove_dc and abs(record["dc_offset"]) > LARGE_OFFSET:
        yield "constant offset"
    if settings.loudness_lufs is not None and abs(record["lufs"] - settings.loudness_lufs) > 0.5:
        yield "quieter than the others, because of its peaks"


def _counted(clips: Iterator[SourceClip], name: str, progress: Progress) -> Iterator[SourceClip]:
    for done, clip in enumerate(clips, 1):
        yield clip
        progress(done, name)


def _need_some(records: list[ClipRecord], when: str) -> None:
    if not kept(records):
        reasons = dict(Counter(str(record["reason"]) for record in records))
        raise CorpusError(f"Of {len(records)} clips none is left {when}: {reasons}")


def _choose_speakers(
    records: list[ClipRecord], settings: CorpusSettings, audio: AudioSettings, progress: Progress
) -> list[str]:
    names = sorted({record["speaker"] for record in kept(records)})
    by_minutes = settings.speaker in ("one", "group")
    if settings.speaker == "all" or (by_minutes and len(names) == 1):
        return names
    if not by_minutes:  # chosen by name: their minutes are not needed
        return choose_speakers(pandas.DataFrame({"minutes": 1.0}, index=names), settings)
    usable = {record["number"] for record in kept(records)}
    clips = corpus_table(settings, lambda done, name: progress(done, name, len(records)))
    clips = clips[clips["number"].isin(usable)]
    surveyed = survey(settings, audio, progress, clips=clips) if settings.speaker == "group" else None
    return choose_speakers(speaker_table(clips, surveyed, settings), settings)
