"""A corrected word is found in the speech, and called fixed where it is nearer to the right form."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from kurdtts_lib.core.errors import EvaluationError
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.feedback import words
from kurdtts_lib.feedback.words import is_fixed, spoken_words, word_changes
from kurdtts_lib.speech import SpokenClause, stream
from kurdtts_lib.vits.voice import Voice

SENTENCES = ["Doktor li malê ye, heval.", "Em ji doktor hez dikin."]


@pytest.mark.filterwarnings("ignore:n_fft=1024 is too large")
def test_a_word_said_as_it_was_corrected_is_fixed(
    audible_voice: Voice, audio: AudioSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrected = SimpleNamespace(sampling_rate=audible_voice.sampling_rate)

    def corrected_stream(voice: Voice, text: str, **options: bool) -> Iterator[SpokenClause]:
        if voice is corrected:
            text = text.replace("oktor", "ixtor")
        return stream(audible_voice, text, **options)

    monkeypatch.setattr(words, "stream", corrected_stream)
    fixed = word_changes(audible_voice, corrected, "doktor", "dixtor", SENTENCES, audio)
    assert list(fixed.index) == SENTENCES and (fixed["to right"] == 0).all() and (fixed["to wrong"] > 0.5).all()
    assert is_fixed(fixed)
    same = word_changes(audible_voice, audible_voice, "doktor", "dixtor", SENTENCES, audio)
    assert (same["to wrong"] == 0).all() and (same["others"] == 0).all() and not is_fixed(same)
    assert same["to right"].tolist() == pytest.approx(fixed["to wrong"].tolist())
    assert not is_fixed(fixed.assign(**{"to right": [0.0, 9.0]})), "in one of two sentences is not enough"
    with pytest.raises(EvaluationError, match="'pizîşk' is not in the sentence"):
        word_changes(audible_voice, audible_voice, "pizîşk", "bijîşk", SENTENCES, audio)


def test_words_are_cut_out_where_they_are_spoken(audible_voice: Voice) -> None:
    found = spoken_words(audible_voice, SENTENCES[0])
    assert [text.strip(",.") for text, _ in found] == ["Doktor", "li", "malê", "ye", "heval"]
    whole = sum(len(clause.waveform) for clause in stream(audible_voice, SENTENCES[0], level=False))
    lengths = [len(sound) for _, sound in found]
    assert all(length > 0 for length in lengths) and max(lengths) < whole / 2
