"""The records that the store returns."""

from dataclasses import dataclass

STATES = ("submitted", "accepted", "used", "withdrawn")


@dataclass(frozen=True)
class Correction:
    """A recording of a sentence as it is said right, with its text."""

    id: str
    """32 hexadecimal digits, random."""
    text: str
    """As written; empty after a withdrawal, and for audio that `verify` found without a row."""
    spoken: str
    """As said: the normalised text."""
    state: str
    """One of `STATES`."""
    created: str
    """Time of the submission, UTC, ISO 8601."""
    voice: str
    """The voice that said it wrong."""
    contributor: str
    consent: bool
    mark: str
    """What was wrong in the voice's speech."""
    digest: str
    """The name of its audio file, without suffix."""
    seconds: float
    """Duration of the audio as recorded."""
    checks: list[str]
    """Warnings of `check_take`, for display."""
    repeated: bool = False
    """Set by `submit` if the same audio and text were stored already: they are stored once."""


@dataclass(frozen=True)
class Event:
    """One line of a correction's history."""

    when: str
    """UTC, ISO 8601."""
    what: str
    detail: str
    """Never the text or the contributor, because the history outlives a withdrawal."""


@dataclass(frozen=True)
class Verification:
    """The result of `verify`."""

    corrections: int
    """Number of rows, including withdrawn ones."""
    sounds: int
    """Number of audio files whose content is as it was written."""
    mended: list[str]
    """Problems that were repaired, each a sentence."""
    left: list[str]
    """Problems that remain and what to do about them, each a sentence."""

    @property
    def ok(self) -> bool:
        """Whether no problem remains."""
        return not self.left
