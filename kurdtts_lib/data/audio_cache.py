"""The treated sounds of a training set: each worked on once, found again by what it is made of."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.cache import CacheEntry, FeatureCache
from kurdtts_lib.data.dnsmos import dnsmos
from kurdtts_lib.data.filters import ClipRecord, kept
from kurdtts_lib.data.preprocess import ClipJob, ClipResult, Preprocessing
from kurdtts_lib.data.reasons import Reason
from kurdtts_lib.data.sources import SourceClip, changed, pick_clips
from kurdtts_lib.data.workers import cores, in_parallel

LARGE_BYTES = 2_000_000
"""From here on a file is read by its worker alone; below, reading once costs less than reading twice."""
OWN_NAME = re.compile(r"\.?[0-9a-f]{24}(-[0-9a-f]{12})?\.wav")
"""Files of ours: by digest, and half-written ones of a killed run."""


class AudioCache:
    """WAV files named by the digest of source and treatment, beside a ledger of their figures."""

    def __init__(
        self,
        folder: Path,
        ledger: FeatureCache,
        treatment: Preprocessing,
        settings: CorpusSettings,
        tell: Callable[..., None],
    ) -> None:
        self._folder = folder
        self._ledger = ledger
        self._treatment = treatment
        self._settings = settings
        self._tell = tell
        self.treated = 0
        """Sounds worked on so far; the others were known."""

    def measure(self, records: list[ClipRecord]) -> None:
        """Give every clip that is still kept its digest and figures, or the reason why it has none."""
        wanted = {record["number"]: record for record in kept(records)}
        self._treat(self._new_sounds(wanted, "sound"))
        for record in kept(records):
            entry = self._ledger.get(record["digest"])
            assert entry is not None, "every sound that could be read was treated"
            record |= {"reason": entry.fault, "detail": entry.detail} if entry.fault else entry.figures or {}

    def restore(self, records: list[ClipRecord]) -> None:
        """Make WAV files anew that are missing: of clips that an earlier run left out, or of somebody's tidying."""
        missing = {record["number"]: record for record in kept(records) if not self._has(record)}
        if missing:
            self._treat(self._new_sounds(missing, "sound again", known_too=True))

    def judge_cleanliness(self, records: list[ClipRecord]) -> None:
        """Give every kept clip its `dnsmos`."""
        unjudged = [record for record in kept(records) if self._ledger.score(record["digest"]) is None]
        self.restore(unjudged)
        unjudged = kept(unjudged)  # a file may have become unreadable
        for done, record in enumerate(unjudged, 1):
            self._ledger.put_score(record["digest"], dnsmos(self._path(record["digest"])))
            self._tell(done, "DNSMOS", len(unjudged))
        for record in kept(records):
            record["dnsmos"] = self._ledger.score(record["digest"])

    def remove_unused(self, records: list[ClipRecord]) -> None:
        """Delete the WAV files that no kept clip names, and forget what was made with other settings."""
        used = {self._path(record["digest"]) for record in kept(records)}
        for path in self._folder.glob("*.wav"):
            if path not in used and OWN_NAME.fullmatch(path.name):
                with suppress(PermissionError):  # somebody plays it (Windows): the next run deletes it
                    path.unlink()
        self._ledger.forget_other_recipes()

    def _new_sounds(self, wanted: dict[int, ClipRecord], name: str, known_too: bool = False) -> Iterator[ClipJob]:
        """What must be worked on; on the way each wanted clip gets its digest."""
        begun: set[str] = set()
        passed = 0
        for clip in pick_clips(self._settings, wanted):
            record = wanted[clip.number]
            if clip.name != record["name"] or clip.sentence != record["sentence"]:
                raise changed(self._settings)  # its sound would get another clip's text
            content = self._content(clip, record)
            if content is not None:
                digest = record["digest"] = self._ledger.digest(content)
                if digest not in begun and (known_too or self._ledger.get(digest) is None):
                    begun.add(digest)
                    yield ClipJob(digest, content, self._path(digest))
            passed += 1
            self._tell(passed, name, len(wanted))
        if passed < len(wanted):
            raise changed(self._settings)

    def _content(self, clip: SourceClip, record: ClipRecord) -> bytes | Path | None:
        """The sound's bytes, or the path of a large file: many of them wait at a time."""
        if isinstance(clip.audio, bytes):
            return clip.audio
        try:
            size = clip.audio.stat().st_size
            if size <= LARGE_BYTES:
                return clip.audio.read_bytes()
            with clip.audio.open("rb"):  # or it is one that cannot be read
                return clip.audio
        except OSError as error:
            record |= {"reason": Reason.CANNOT_READ, "detail": error.strerror or type(error).__name__}
        return None

    def _treat(self, jobs: Iterator[ClipJob]) -> None:
        for digest, fault, detail, figures in in_parallel(ClipResult(self._treatment), jobs, cores()):
            self._ledger.put(digest, CacheEntry(fault, detail, figures))
            self.treated += 1

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.wav"

    def _has(self, record: ClipRecord) -> bool:
        """Whether the clip's WAV is whole: after a power cut it may be there and be empty, or be all zeros."""
        path = self._path(record["digest"])
        expected = 44 + 2 * round(record["seconds"] * self._treatment.sampling_rate)
        if not path.is_file() or path.stat().st_size != expected:
            return False
        with path.open("rb") as file:
            return file.read(4) == b"RIFF"
