"""What the store gives back."""

from dataclasses import dataclass

STATES = ("submitted", "accepted", "used", "withdrawn")


@dataclass(frozen=True)
class Correction:
    """A sentence and how it is said right."""

    id: str
    """32 hexadecimal digits that nobody can guess."""
    text: str
    """As written; empty after a withdrawal, and for a sound that `verify` found without a row."""
    spoken: str
    """As said: the normalised text."""
    state: str
    """One of `STATES`."""
    created: str
    """When, UTC, ISO 8601."""
    voice: str
    """The voice that said it wrong."""
    contributor: str
    consent: bool
    mark: str
    """What was wrong in the voice's speech."""
    digest: str
    """The name of its sound."""
    seconds: float
    """Length of the sound as recorded."""
    checks: list[str]
    """Warnings of `check_take`, to show."""
    repeated: bool = False
    """True on what `submit` returns if the same sound and text were there already: it is kept once."""


@dataclass(frozen=True)
class Event:
    """One line of a correction's history."""

    when: str
    """UTC, ISO 8601."""
    what: str
    detail: str
    """Never the text or the contributor: a history outlives a withdrawal."""


@dataclass(frozen=True)
class Verification:
    """What `verify` found."""

    corrections: int
    """Rows, withdrawn ones too."""
    sounds: int
    """Sound files whose bytes are as they were written."""
    mended: list[str]
    """Sentences: what was wrong and is right now."""
    left: list[str]
    """Sentences: what is wrong and what to do."""

    @property
    def ok(self) -> bool:
        """Whether nothing wrong is left."""
        return not self.left
