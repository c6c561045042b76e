"""Text of any length to sound that one can publish: clause by clause, with times, into a file or as a stream."""

from kurdtts_lib.synthesis.sound_files import FORMATS, encode_sound, save_speech
from kurdtts_lib.synthesis.speech import Spoken, speak, stream
from kurdtts_lib.synthesis.subtitles import srt

__all__ = ["FORMATS", "Spoken", "encode_sound", "save_speech", "speak", "srt", "stream"]
