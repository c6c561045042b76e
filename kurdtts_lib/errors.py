"""The errors a user may meet. Each message says what happened, where, and what to do.

Anything else that is raised is a bug and keeps its traceback.
"""


class KurdTTSError(Exception):
    """Base of all errors that are the input's or the machine's, not the program's."""


class AudioError(KurdTTSError):
    """Audio that cannot be decoded or used."""


class TextError(KurdTTSError):
    """Text that the voice cannot speak."""

    def __init__(self, message: str, reason: str = "text", characters: str = "") -> None:
        super().__init__(message, reason, characters)
        self.reason = reason
        """The kind of fault in a few words, to count by."""
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


class JudgingError(KurdTTSError):
    """A judging that cannot be done as asked: a voice, a package or a recogniser that cannot be had."""


class FeedbackError(KurdTTSError):
    """A correction that cannot be kept, found or changed as asked."""


class TakeError(FeedbackError):
    """A recording that can be decoded but not be used for its text."""


class ListeningError(KurdTTSError):
    """A listening test that cannot be made, gone on with, or evaluated as asked."""
