"""The errors a user may meet. Each message says what happened, where, and what to do.

Anything else that is raised is a bug and keeps its traceback.
"""

from enum import StrEnum


class KurdTTSError(Exception):
    """Base of all errors that are the input's or the machine's, not the program's."""


class AudioError(KurdTTSError):
    """Audio that cannot be decoded or used."""


class TextReason(StrEnum):
    """Why a sentence has no reading, as reports and tables call it, and what is wrong with it. There are no others."""

    explanation: str

    NOTHING = "nothing to say", "The sentence has no word."
    LETTER = "letter without a reading", "A letter of a script that this course does not read."
    SIGN = "sign without a reading", "A sign that nobody says in one way."
    NUMBER = "number without a reading", "A number that cannot be said, or in no one way."
    DATE = "date that does not exist", "Nobody knows what the reader made of it."
    ADDRESS = "address", "A web or mail address: readers spell or say it as they like."
    NO_VOWEL = "word without a vowel", "It cannot be said as it is written."

    def __new__(cls, reason: str, explanation: str) -> "TextReason":
        member = str.__new__(cls, reason)
        member._value_, member.explanation = reason, explanation
        return member


class TextError(KurdTTSError):
    """Text that the voice cannot speak, or a table or a lexicon that cannot be read with."""

    def __init__(self, message: str, reason: TextReason | None = None, characters: str = "") -> None:
        super().__init__(message, reason, characters)
        self.reason = reason
        """What is wrong with the sentence, to count by; None where the fault is not one of the sentence."""
        self.characters = characters
        """Those that have no reading, each once."""

    def __str__(self) -> str:
        return str(self.args[0])


class CorpusError(KurdTTSError):
    """A corpus that cannot be read, or that leaves nothing to train on."""


class VoiceError(KurdTTSError):
    """A voice's files that are missing, damaged or of another kind."""


class TrainingError(KurdTTSError):
    """A training that cannot start or go on."""


class EvaluationError(KurdTTSError):
    """A judging that cannot be done as asked: a voice, a package or a recogniser that cannot be had."""


class TakeError(AudioError):
    """A take that did not arrive whole, or that cannot be used for its text.

    `code`: its sentence in the recorder's `labels.json`; empty where only the message says it.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class FeedbackError(KurdTTSError):
    """A correction that cannot be kept, found or changed as asked."""


class NotFoundError(FeedbackError):
    """A correction that the store does not have."""


class ListeningError(KurdTTSError):
    """A listening test that cannot be made, gone on with, or evaluated as asked."""
