"""Errors that are shown to the user. Each message says what happened, where, and what to do.

Any other exception is a bug and keeps its traceback.
"""

import html
import traceback
from enum import StrEnum


class KurdTTSError(Exception):
    """Base class of errors caused by the input or the machine, not by a bug in the program."""

    def _render_traceback_(self) -> list[str]:
        """Called by IPython in place of printing the traceback, which is folded here above the message."""
        from IPython.display import display  # a notebook has it

        trace = html.escape("".join(traceback.format_exception(self)))
        folded = f"<details><summary>For programmers: where it happened</summary><pre>{trace}</pre></details>"
        display({"text/html": folded, "text/plain": ""}, raw=True)
        return ["What happened, and what to do:", str(self)]


class AudioError(KurdTTSError):
    """Audio that cannot be decoded or used."""


class TextReason(StrEnum):
    """Why a sentence has no reading, as reports and tables name it, with an explanation. The list is complete."""

    explanation: str

    NOTHING = "nothing to say", "The sentence has no word."
    LETTER = "letter without a reading", "A letter of a script that this course does not read."
    SIGN = "sign without a reading", "A sign that nobody says in one way."
    NUMBER = "number without a reading", "A number that cannot be said, or in no one way."
    DATE = "date that does not exist", "Nobody knows what the reader made of it."
    AMBIGUOUS = "more than one reading", "It can be said in several ways, and nobody knows in which one it was."
    ADDRESS = "address", "A web or mail address: readers spell or say it as they like."
    NO_VOWEL = "word without a vowel", "It cannot be said as it is written."
    FOREIGN_WORD = "foreign word in capitals", "It is said as its own language does, and not by its letters."

    def __new__(cls, reason: str, explanation: str) -> "TextReason":
        member = str.__new__(cls, reason)
        member._value_, member.explanation = reason, explanation
        return member


class TextError(KurdTTSError):
    """Text that the voice cannot speak, or a language table or a lexicon that is invalid."""

    def __init__(self, message: str, reason: TextReason | None = None, characters: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        """Category of the fault, for counting; None if the sentence is not at fault."""
        self.characters = characters
        """The characters without a reading, each once."""


class CorpusError(KurdTTSError):
    """A corpus that cannot be read, or of which no clip is left to train on."""


class VoiceError(KurdTTSError):
    """A voice whose files are missing, damaged or of the wrong kind."""


class UnknownVoiceError(VoiceError):
    """A voice that is not in the registry."""


class TrainingError(KurdTTSError):
    """A training that cannot start or continue."""


class EvaluationError(KurdTTSError):
    """An evaluation that cannot run as requested: a voice, a package or a recogniser is not available."""


class TakeError(AudioError):
    """A take that did not arrive complete, or that cannot be used for its text.

    `code`: key of its sentence in the recorder's `labels.json`; empty if there is only the message.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class FeedbackError(KurdTTSError):
    """A correction that cannot be stored, found or changed as requested."""


class NotFoundError(FeedbackError):
    """A correction that is not in the store."""


class ListeningError(KurdTTSError):
    """A listening test that cannot be created, continued or evaluated as requested."""
