"""The preprocessed audio of a training set: each clip is processed once and found again by its hash."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.dnsmos import dnsmos
from kurdtts_lib.data.feature_cache import CacheEntry, FeatureCache
from kurdtts_lib.data.filtering import ClipRecord, kept
from kurdtts_lib.data.filters import Reason
from kurdtts_lib.data.preprocess import ClipJob, ClipResult, Preprocessing
from kurdtts_lib.data.sources import SourceClip, changed, pick_clips
from kurdtts_lib.data.workers import cores, in_parallel

LARGE_BYTES = 2_000_000
"""Larger files are read by the worker process alone; smaller ones are hashed and passed on from a single read."""
OWN_NAME = re.compile(r"\.?[0-9a-f]{24}(-[0-9a-f]{12})?\.wav")
"""WAV files of this cache: named by digest, and half-written ones of a killed run."""


class AudioCache:
    """WAV files named by the digest of source audio and preprocessing, with their statistics in a `FeatureCache`."""

    def __init__(
        self,
        folder: Path,
        cache: FeatureCache,
        preprocessing: Preprocessing,
        settings: CorpusSettings,
        progress: Callable[..., None],
    ) -> None:
        self._folder = folder
        self._cache = cache
        self._preprocessing = preprocessing
        self._settings = settings
        self._progress = progress
        self.processed = 0
        """Clips preprocessed so far; the others were in the cache."""

    def measure(self, records: list[ClipRecord]) -> None:
        """Write into the record of each kept clip its digest and statistics, or the reason why it is left out."""
        wanted = {record["number"]: record for record in kept(records)}
        self._process(self._jobs(wanted, "sound"))
        for record in kept(records):
            entry = self._cache.get(record["digest"])
            assert entry is not None, "all audio that could be read was preprocessed"
            record |= {"reason": entry.fault, "detail": entry.detail} if entry.fault else entry.statistics or {}

    def restore(self, records: list[ClipRecord]) -> None:
        """Recreate missing WAV files: of clips that an earlier run left out, or that were deleted by hand."""
        missing = {record["number"]: record for record in kept(records) if not self._has(record)}
        if missing:
            self._process(self._jobs(missing, "sound again", cached_too=True))

    def score_cleanliness(self, records: list[ClipRecord]) -> None:
        """Write `dnsmos` into the record of each kept clip."""
        unscored = [record for record in kept(records) if self._cache.score(record["digest"]) is None]
        self.restore(unscored)
        unscored = kept(unscored)  # restoring may find a source file unreadable
        for done, record in enumerate(unscored, 1):
            self._cache.put_score(record["digest"], dnsmos(self._path(record["digest"])))
            self._progress(done, "DNSMOS", len(unscored))
        for record in kept(records):
            record["dnsmos"] = self._cache.score(record["digest"])

    def remove_unused(self, records: list[ClipRecord]) -> None:
        """Delete WAV files that no kept clip uses, and cache entries made with other preprocessing settings."""
        used = {self._path(record["digest"]) for record in kept(records)}
        for path in self._folder.glob("*.wav"):
            if path not in used and OWN_NAME.fullmatch(path.name):
                with suppress(PermissionError):  # open in a player (Windows): the next run deletes it
                    path.unlink()
        self._cache.delete_other_keys()

    def _jobs(self, wanted: dict[int, ClipRecord], name: str, cached_too: bool = False) -> Iterator[ClipJob]:
        """Yield a job for each wanted clip that must be preprocessed; writes each clip's digest into its record."""
        started: set[str] = set()
        passed = 0
        for clip in pick_clips(self._settings, wanted):
            record = wanted[clip.number]
            if clip.name != record["name"] or clip.sentence != record["sentence"]:
                raise changed(self._settings)  # its audio would get another clip's text
            content = self._content(clip, record)
            if content is not None:
                digest = record["digest"] = self._cache.digest(content)
                if digest not in started and (cached_too or self._cache.get(digest) is None):
                    started.add(digest)
                    yield ClipJob(digest, content, self._path(digest))
            passed += 1
            self._progress(passed, name, len(wanted))
        if passed < len(wanted):
            raise changed(self._settings)

    def _content(self, clip: SourceClip, record: ClipRecord) -> bytes | Path | None:
        """The audio's bytes, or the path of a large file (many jobs wait in memory); None if it cannot be read."""
        if isinstance(clip.audio, bytes):
            return clip.audio
        try:
            size = clip.audio.stat().st_size
            if size <= LARGE_BYTES:
                return clip.audio.read_bytes()
            with clip.audio.open("rb"):  # raises here if it cannot be read
                return clip.audio
        except OSError as error:
            record |= {"reason": Reason.CANNOT_READ, "detail": error.strerror or type(error).__name__}
        return None

    def _process(self, jobs: Iterator[ClipJob]) -> None:
        for digest, fault, detail, statistics in in_parallel(ClipResult(self._preprocessing), jobs, cores()):
            self._cache.put(digest, CacheEntry(fault, detail, statistics))
            self.processed += 1

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.wav"

    def _has(self, record: ClipRecord) -> bool:
        """Whether the clip's WAV is complete: after a power cut it may be empty or all zeros."""
        path = self._path(record["digest"])
        expected = 44 + 2 * round(record["seconds"] * self._preprocessing.sampling_rate)
        if not path.is_file() or path.stat().st_size != expected:
            return False
        with path.open("rb") as file:
            return file.read(4) == b"RIFF"
