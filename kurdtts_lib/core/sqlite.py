"""SQLite files that several programs use at a time, opened again for each transaction."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kurdtts_lib.core.errors import KurdTTSError

TIMEOUT_SECONDS = 30.0
"""How long to wait for another program that is writing."""


@dataclass(frozen=True)
class Kind:
    """The schema of one kind of file, and the error that reports its faults."""

    version: int
    schema: Sequence[str]
    error: type[KurdTTSError]
    when_damaged: str
    """What the user should do then, as a sentence."""

    @contextlib.contextmanager
    def transaction(
        self, path: Path, set_up: Callable[[sqlite3.Connection], None], timeout: float, write: bool
    ) -> Iterator[sqlite3.Connection]:
        """One transaction: all changes made inside or none; they are on disk when it ends.

        set_up: usually calls `Kind.set_up`. timeout: seconds. Raises `error` if another program keeps the file locked,
        if the disk is full, or if the file is damaged.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self.error(
                f"The folder {path.parent} cannot be made: {error.strerror}. Choose another one."
            ) from error
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=timeout, isolation_level=None)) as connection:
                set_up(connection)
                connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                yield connection
                connection.execute("COMMIT")  # after an error, closing the connection rolls back
        except sqlite3.DatabaseError as error:
            raise self._explained(path, error) from error

    def set_up(self, connection: sqlite3.Connection, path: Path) -> None:
        """Create the tables if the file is new, and configure the connection. Raises `error` if the file is too new."""
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = FULL")  # WAL alone would lose the newest rows in a power cut
        connection.execute("PRAGMA secure_delete = ON")  # what was deleted must not stay readable in the file
        version = _version(connection)
        if version > self.version:
            raise self.error(f"{path} was written by a newer version of the course. Update the course first.")
        if version == 0:
            self._create(connection)

    def _create(self, connection: sqlite3.Connection) -> None:
        # Fails where the file system does not support it, or while another process creates the file too. Without it
        # writers wait for readers, and nothing else changes.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        if _version(connection) == 0:  # no other process was quicker
            for statement in self.schema:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {self.version}")
        connection.execute("COMMIT")

    def _explained(self, path: Path, error: sqlite3.DatabaseError) -> KurdTTSError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the upper bits only refine it
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return self.error(f"{path} is in use by another program. Nothing was lost; try again in a moment.")
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return self.error(f"{path} is damaged ({error}). {self.when_damaged}")
        return self.error(f"{path} cannot be written or read ({error}). Nothing was changed; is the disk full?")


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]
