"""Cached results of preprocessing, so that a second run processes only new clips."""

import contextlib
import hashlib
import json
import sqlite3
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.files import locked

NAME = "work.sqlite"
COMMIT_SECONDS = 2.0


class CacheEntry(NamedTuple):
    """A preprocessed clip: its statistics, or the fault that prevented preprocessing."""

    fault: str
    detail: str
    statistics: dict[str, float] | None


class FeatureCache:
    """SQLite table of entries by digest. May be deleted: the next preparation recomputes all, to the same bytes."""

    def __init__(self, folder: Path, cache_key: str) -> None:
        self._path = folder / NAME
        self._key = cache_key
        try:
            self._database = self._open()
        except sqlite3.OperationalError as error:
            raise _explained(self._path, error) from error
        except sqlite3.DatabaseError as error:
            warnings.warn(f"{self._path} was damaged ({error}); every clip is worked on again.", stacklevel=2)
            self._path.unlink()
            self._database = self._open()
        self._committed = time.monotonic()

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=5)
        try:
            if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("a page is damaged")
            database.execute("CREATE TABLE IF NOT EXISTS sounds (digest TEXT PRIMARY KEY, recipe TEXT, entry TEXT)")
            database.execute("CREATE TABLE IF NOT EXISTS scores (digest TEXT PRIMARY KEY, recipe TEXT, dnsmos REAL)")
            database.commit()
        except sqlite3.DatabaseError:
            database.close()
            raise
        return database

    def digest(self, content: bytes | Path) -> str:
        """Hash of cache key and audio content, 24 hexadecimal digits: also the name of the WAV file."""
        digest = hashlib.sha256(self._key.encode("utf-8") + b"\0")
        if isinstance(content, bytes):
            digest.update(content)
        else:
            with content.open("rb") as file:
                while block := file.read(2**20):
                    digest.update(block)
        return digest.hexdigest()[:24]

    def get(self, digest: str) -> CacheEntry | None:
        row = self._database.execute("SELECT entry FROM sounds WHERE digest = ?", (digest,)).fetchone()
        return CacheEntry(*json.loads(row[0])) if row else None

    def put(self, digest: str, entry: CacheEntry) -> None:
        """Store an entry. Commits every `COMMIT_SECONDS`: a killed program loses at most the last two seconds."""
        self._database.execute(
            "INSERT OR REPLACE INTO sounds VALUES (?, ?, ?)", (digest, self._key, json.dumps(list(entry)))
        )
        self._commit_if_due()

    def score(self, digest: str) -> float | None:
        row = self._database.execute("SELECT dnsmos FROM scores WHERE digest = ?", (digest,)).fetchone()
        return row[0] if row else None

    def put_score(self, digest: str, dnsmos: float) -> None:
        self._database.execute("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", (digest, self._key, dnsmos))
        self._commit_if_due()

    def _commit_if_due(self) -> None:
        if time.monotonic() - self._committed > COMMIT_SECONDS:
            self._database.commit()
            self._committed = time.monotonic()

    def delete_other_keys(self) -> None:
        for table in ("sounds", "scores"):
            self._database.execute(f"DELETE FROM {table} WHERE recipe != ?", (self._key,))

    def close(self) -> None:
        self._database.commit()
        self._database.close()

    def abandon(self) -> None:
        """Close after an error, keeping what can still be committed."""
        with contextlib.suppress(sqlite3.Error):  # closed, or the disk is full: that error is being raised
            self.close()


@contextlib.contextmanager
def open_cache(folder: Path, cache_key: str) -> Iterator[FeatureCache]:
    """The folder's cache; committed and closed at the end, also after an error or Ctrl-C.

    Raises CorpusError while another preparation uses the folder, or if the disk is full.
    """
    busy = CorpusError(f"Another preparation is working in {folder}. Wait until it is done.")
    with locked(folder, busy):
        cache = FeatureCache(folder, cache_key)
        try:
            yield cache
            cache.close()
        except sqlite3.OperationalError as error:
            raise _explained(folder / NAME, error) from error
        finally:
            cache.abandon()


def _explained(path: Path, error: sqlite3.OperationalError) -> CorpusError:
    return CorpusError(f"{path} cannot be written ({error}). Is the disk full? Make room, then run the same again.")
