"""The preprocessed audio of a training set: each clip is processed once and found again by its hash."""

import functools
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from kurdtts_lib.core.files import write_text
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.dataset import Clip, kept
from kurdtts_lib.data.filters import Reason
from kurdtts_lib.data.preprocess import cache_key, process_file
from kurdtts_lib.data.sources import read_again
from kurdtts_lib.data.workers import in_parallel

TABLE = "work.jsonl"
OWN_NAME = re.compile(r"\.?[0-9a-f]{24}(-[0-9a-f]{12})?\.wav")
"""WAV files of this cache: named by digest, and half-written ones of a killed run."""


class AudioCache:
    """`wavs/DIGEST.wav`, and what was measured as lines of `work.jsonl`; the digest is of source and preprocessing.

    Both may be deleted: the next preparation makes them again, to the same bytes. A killed program loses at most the
    clips that it was working on. The caller must hold the lock of the folder.
    """

    def __init__(
        self, folder: Path, settings: CorpusSettings, sampling_rate: int, progress: Callable[..., None]
    ) -> None:
        self._folder, self._table = folder / "wavs", folder / TABLE
        self._settings, self._rate, self._progress = settings, sampling_rate, progress
        self._key = cache_key(settings, sampling_rate).encode("utf-8")
        self._known: dict[str, dict] = {}
        self.processed = 0
        """Clips preprocessed so far; the others were in the cache."""
        for line in self._table.read_bytes().splitlines() if self._table.is_file() else ():
            with suppress(ValueError, KeyError, TypeError):  # the last line of a killed program, or a damaged one
                row = json.loads(line)
                self._known[row["digest"]] = row

    def measure(self, clips: list[Clip]) -> None:
        """Give each kept clip its digest and statistics, or the reason why it is left out."""
        self._process(clips, "sound")
        for clip in kept(clips):
            found = self._known[clip.digest]
            if found["fault"]:
                clip.leave_out(found["fault"], found["detail"])
            else:
                vars(clip).update(found["figures"])

    def restore(self, clips: list[Clip]) -> None:
        """Recreate missing WAV files: of clips that an earlier run left out, or that were deleted by hand."""
        self._process([clip for clip in kept(clips) if not self._has(clip)], "sound again", cached_too=True)

    def remove_unused(self, clips: list[Clip]) -> None:
        """Delete WAV files that no kept clip uses, and what was measured of other audio or preprocessed otherwise."""
        used = {self._path(clip.digest) for clip in kept(clips)}
        for path in self._folder.glob("*.wav"):
            if path not in used and OWN_NAME.fullmatch(path.name):
                with suppress(PermissionError):  # open in a player (Windows): the next run deletes it
                    path.unlink()
        rows = [self._known[digest] for digest in dict.fromkeys(clip.digest for clip in clips) if digest in self._known]
        write_text(self._table, "".join(f"{json.dumps(row)}\n" for row in rows))

    def _process(self, clips: list[Clip], name: str, cached_too: bool = False) -> None:
        jobs = self._jobs(kept(clips), name, cached_too)
        with self._table.open("a", encoding="utf-8", newline="\n") as file:
            for target, sound in in_parallel(functools.partial(process_file, self._settings, self._rate), jobs):
                row = {"digest": target.stem, "fault": sound.fault, "detail": sound.detail, "figures": sound.figures}
                self._known[target.stem] = row
                self.processed += 1
                # The empty line ends one that a killed program left half-written.
                print(f"\n{json.dumps(row)}", file=file, flush=True)

    def _jobs(self, clips: list[Clip], name: str, cached_too: bool) -> Iterator[tuple[bytes | Path, Path]]:
        """Yield (audio, WAV) of each clip that must be preprocessed; sets each clip's digest."""
        wanted = {clip.number: clip for clip in clips}
        started: set[str] = set()
        again = read_again(self._settings, {number: clip.sentence for number, clip in wanted.items()})
        for passed, found in enumerate(again if wanted else (), 1):
            clip = wanted[found.number]
            try:
                clip.digest = self._digest(found.audio)
            except OSError as error:
                clip.leave_out(Reason.CANNOT_READ, error.strerror or type(error).__name__)
            else:
                if clip.digest not in started and (cached_too or clip.digest not in self._known):
                    started.add(clip.digest)
                    yield found.audio, self._path(clip.digest)
            self._progress(passed, name, len(wanted))

    def _digest(self, audio: bytes | Path) -> str:
        """Of cache key and audio, 24 hexadecimal digits: also the name of the WAV file."""
        with io.BytesIO(audio) if isinstance(audio, bytes) else audio.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.sha256(self._key + b"\0")).hexdigest()[:24]

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.wav"

    def _has(self, clip: Clip) -> bool:
        """Whether the clip's WAV is complete: after a power cut it may be empty or all zeros."""
        path = self._path(clip.digest)
        expected = 44 + 2 * round(clip.seconds * self._rate)
        if not path.is_file() or path.stat().st_size != expected:
            return False
        with path.open("rb") as file:
            return file.read(4) == b"RIFF"
