"""Text of any length to publishable speech: clause by clause, with timings, to a file or as a stream."""

from kurdtts_lib.speech.audio_files import FORMATS, encode_sound, save_speech, srt
from kurdtts_lib.speech.clauses import warnings_of
from kurdtts_lib.speech.synthesis import SpokenClause, speak, stream

__all__ = ["FORMATS", "SpokenClause", "encode_sound", "save_speech", "speak", "srt", "stream", "warnings_of"]
