"""Text of any length to sound that one can publish: clause by clause, with times, into a file or as a stream."""

from kurdtts_lib.speech.audio_files import FORMATS, encode_sound, save_speech
from kurdtts_lib.speech.subtitles import srt
from kurdtts_lib.speech.synthesis import SpokenClause, speak, stream

__all__ = ["FORMATS", "SpokenClause", "encode_sound", "save_speech", "speak", "srt", "stream"]
