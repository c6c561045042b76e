"""Prepare a training set from a corpus: every clip is kept, or left out for a counted reason."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.files import check_own, locked
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data import filtering
from kurdtts_lib.data.audio_cache import TABLE, AudioCache
from kurdtts_lib.data.dataset import KEPT, Clip, kept, part_of, table_of
from kurdtts_lib.data.filters import Reason
from kurdtts_lib.data.sources import clips_with_lengths, source_table
from kurdtts_lib.data.speakers import choose_speakers, speaker_table
from kurdtts_lib.data.training_set import RECORD, write_training_set

LARGE_OFFSET = 0.005
"""Share of full scale: removing a larger DC offset is reported as a repair."""


@dataclass(frozen=True)
class Preparation:
    """The result of a preparation."""

    folder: Path
    clips: pandas.DataFrame
    """One row per source clip, with the columns of `dataset.COLUMNS`."""
    speakers: list[str]
    """The voice's speakers, named as in `clips`."""
    processed: int
    """Clips whose audio was preprocessed in this run; the others came from the cache."""

    @property
    def kept(self) -> pandas.DataFrame:
        return self.clips[self.clips["reason"] == KEPT]

    @property
    def mended(self) -> Counter:
        """Number of kept clips by repair (text normalisation rule or audio repair)."""
        return Counter(repair for repairs in self.kept["mended"] for repair in repairs.split("; ") if repair)


def prepare(
    settings: CorpusSettings, audio: AudioSettings, folder: Path, progress: Callable[..., None] = lambda *_: None
) -> Preparation:
    """Write a training set into `folder`; `training_set.write_training_set` describes its files.

    May be interrupted at any moment, even by kill -9: the same call resumes and produces the same bytes. The folder's
    earlier tables are replaced only at the end. A second run preprocesses only audio that is not in the cache.
    Raises CorpusError if no clip is left, the source changes during the run, a disk is full or another preparation
    uses the folder; KurdTTSError if `folder` contains other files.
    progress: called with the number of clips done, the name of the pass, and the total where it is known.
    """
    check_own(folder, TABLE, RECORD)
    _check_apart(Path(settings.source), folder)
    clips = []
    for clip in clips_with_lengths(settings):
        filtering.filter_text(clip, settings)
        clips.append(clip)
        progress(len(clips), "votes and text")
    _need_some(clips, "after votes and text")
    speakers = choose_speakers(speaker_table(source_table(kept(clips)), None, settings), settings)
    for clip in kept(clips):
        if clip.speaker not in speakers:
            clip.leave_out(Reason.ANOTHER_SPEAKER)
    with _resumable(folder):
        cache = AudioCache(folder, settings, audio.sampling_rate, progress)
        cache.measure(clips)
        filtering.filter_audio(clips, settings, audio.hop_length, audio.sampling_rate)
        filtering.filter_speaking_rate(clips, settings)
        filtering.filter_duplicate_audio(clips)  # after the speaking rate, which often shows whose text the audio has
        if settings.one_clip_per_sentence:
            filtering.filter_repeated_sentences(clips)
        cache.restore(clips)
        _need_some(clips, "in the end")
        for clip in kept(clips):
            clip.part, clip.file = part_of(clip.text, settings.held_out_share), f"wavs/{clip.digest}.wav"
            clip.mended = "; ".join(filter(None, [clip.mended, *_audio_repairs(clip, settings)]))
        for clip in clips:
            clip.name = clip.name.rsplit("/", 1)[-1]  # folders are often named after their speaker
        table = table_of(clips)
        write_training_set(folder, table, speakers, settings, audio)
        cache.remove_unused(clips)
        return Preparation(folder, table, speakers, cache.processed)


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """Make the folder, and hold its lock."""
    try:
        with locked(folder, CorpusError(f"Another preparation is working in {folder}. Wait until it is done.")):
            folder.mkdir(parents=True, exist_ok=True)
            yield
    except OSError as error:
        raise CorpusError(
            f"The preparation stopped: {error}. Is a disk full, or gone? Then run the same again: it goes on where it "
            "stopped."
        ) from error


def _check_apart(source: Path, folder: Path) -> None:
    """Raise CorpusError if one folder contains the other: a second run would read the output of the first."""
    if not source.exists():  # a name on the hub
        return
    one, other = source.resolve(), folder.resolve()
    if one.is_relative_to(other) or (source.is_dir() and other.is_relative_to(one)):
        raise CorpusError(f"{folder} and the source {source} lie in each other. Choose a folder elsewhere to write to.")


def _audio_repairs(clip: Clip, settings: CorpusSettings) -> Iterator[str]:
    if clip.channels > 1:
        yield "several channels to one"
    if settings.remove_dc and abs(clip.dc_offset) > LARGE_OFFSET:
        yield "constant offset"
    if settings.loudness_lufs is not None and abs(clip.lufs - settings.loudness_lufs) > 0.5:
        yield "quieter than the others, because of its peaks"


def _need_some(clips: list[Clip], when: str) -> None:
    if not kept(clips):
        reasons = dict(Counter(str(clip.reason) for clip in clips))
        raise CorpusError(f"Of {len(clips)} clips none is left {when}: {reasons}")
