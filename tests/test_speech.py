"""Long text to sound: nothing lost at clauses, one loudness, true times, and files that are whole or not there."""

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from kurdtts_lib.audio.levels import LOUDNESS_LUFS, PEAK, SPEECH_EDGE_DB, frame_levels, loudness, voiced_part
from kurdtts_lib.core.errors import AudioError, TextError
from kurdtts_lib.speech import FORMATS, SpokenClause, save_speech, speak, srt, stream, synthesis, warnings_of
from kurdtts_lib.speech.clauses import MAX_CHARACTERS, chunks_of, clauses_of, words_of
from kurdtts_lib.text import encode, normalize
from kurdtts_lib.text.splitting import PAUSES
from kurdtts_lib.vits import generation as vits_synthesis
from kurdtts_lib.vits.generation import Utterance
from kurdtts_lib.vits.voice import Voice

RATE, HOP = 16_000, 256
TEXT = "Roj baş ji te re heval, tu bi xêr hatî! Ez diçim malê. Tu çawa yî"
LETTER_FRAMES, BLANK_FRAMES = 5, 2


@pytest.fixture
def spelling_voice(audible_voice: Voice, monkeypatch: pytest.MonkeyPatch) -> Voice:
    """A voice that says each letter as a tone of 80 ms with 32 ms of silence around it; a space is silent too."""
    space = audible_voice.tokenizer.get_vocab()[" "]

    def spell(
        model: object, clauses: Iterable[Sequence[int]], seed: int, speed: float, noise_scale: float, precision: object
    ) -> Iterator[Utterance]:
        for ids in clauses:
            frames = np.array([LETTER_FRAMES if place % 2 else BLANK_FRAMES for place in range(len(ids))])
            tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(LETTER_FRAMES * HOP) / RATE)
            sounds = [
                tone if place % 2 and ids[place] != space else np.zeros(count * HOP)
                for place, count in enumerate(frames)
            ]
            yield Utterance(np.concatenate(sounds).astype(np.float32), frames)

    monkeypatch.setattr(vits_synthesis, "speak_ids", spell)
    return audible_voice


# --- clauses and words -----------------------------------------------------------------------------------------


def spoken_words(text: str) -> list[tuple[str, str]]:
    normalized = normalize(text)
    return [(word.text, normalized.text[word.start : word.end]) for word in words_of(normalized)]


def test_each_written_word_knows_what_is_said_for_it():
    assert spoken_words("Di 2024an de 12 500 kg sêv – û 3 € – firotin.") == [
        *(("Di", "di"), ("2024an", "du hezar û bîst û çaran"), ("de", "de")),
        *(("12 500 kg", "dazdeh hezar û pênc sed kîlogram"), ("sêv –", "sêv"), ("û", "û")),
        *(("3 € –", "sê ewro"), ("firotin.", "firotin")),
    ]
    found = spoken_words("– “Erê”, got Dr. Azad")
    assert found == [("– “Erê”,", "erê"), ("got", "got"), ("Dr.", "doktor"), ("Azad", "azad")]


WORDS = st.sampled_from(["Roj", "baş,", "12", "kg", "Dr.", "–", "“Erê”", "2024an", "ÇÎROK", "û", "5%", "jin"])


@given(st.lists(WORDS, min_size=1, max_size=12))
def test_no_word_is_lost_and_their_spoken_letters_follow_each_other(written):
    text = " ".join([*written, "ne"])
    normalized = normalize(text)
    words = words_of(normalized)
    assert " ".join(word.text for word in words) == text
    edges = [edge for word in words for edge in (word.start, word.end)]
    assert edges == sorted(edges) and edges[-1] == len(normalized.text) and edges[0] == 0
    between = [normalized.text[a.end : b.start] for a, b in itertools.pairwise(words)]
    assert set(between) <= {" ", ""}


def test_a_clause_that_is_too_long_is_cut_between_words_only(audible_voice):
    text = " ".join(["gundê", "me", "mezin"] * 60)
    chunks = chunks_of(text, [])
    assert " ".join(chunks) == text and len(chunks) > 4
    assert all(MAX_CHARACTERS - 10 < len(part) <= MAX_CHARACTERS for part in chunks[:-1])
    (clause,) = clauses_of(text, audible_voice.tokenizer)
    assert clause.chunks == [encode(part, audible_voice.tokenizer) for part in chunks]


def test_a_hundred_thousand_characters_are_spoken_as_they_are_asked_for(spelling_voice, monkeypatch):
    text = "Ez diçim malê xwe, hevalê min. " * 3300
    assert len(text) > 100_000
    asked: list[Sequence[int]] = []
    spell = vits_synthesis.speak_ids

    def counted(model: object, clauses: Iterable[Sequence[int]], *rest: object) -> Iterator[Utterance]:
        return spell(model, (asked.append(ids) or ids for ids in clauses), *rest)  # type: ignore[arg-type, func-returns-value]

    monkeypatch.setattr(vits_synthesis, "speak_ids", counted)
    spoken = stream(spelling_voice, text)
    assert asked == []
    assert next(spoken).text == "Ez diçim malê xwe, hevalê min." and len(asked) == 1
    assert next(spoken).text == "Ez diçim malê xwe, hevalê min." and len(asked) == 2


def test_what_cannot_be_said_is_refused_before_anything_is_spoken(audible_voice, monkeypatch):
    monkeypatch.setattr(vits_synthesis, "speak_ids", lambda *rest: pytest.fail("spoke"))
    for text, named in (
        *(("روژ", "nothing to say"), ("☺", "nothing to say"), (" … ", "nothing to say"), ("", "nothing to say")),
        ("roj baş. " + "ba" * 100 + "b", "a word of 201 letters"),
    ):
        with pytest.raises(TextError, match=named):
            stream(audible_voice, text)


def test_a_whole_text_is_never_refused_for_one_sign_and_what_is_left_out_is_named(spelling_voice):
    text = "Roj baş. روژ. 🙂 Ez 12/7 dibînim. Li Sařadê me."
    assert [clause.text for clause in stream(spelling_voice, text)] == [
        "Roj baş.",
        "🙂 Ez 12/7 dibînim.",
        "Li Sařadê me.",
    ]
    warnings = warnings_of(text)
    assert all(any(named in line for line in warnings) for named in ("روژ", "🙂", "12/7", "'ř' is read 'r'"))
    assert warnings_of("Roj baş.") == []


def test_a_chunk_never_ends_inside_a_number_or_a_name():
    for name in ("999.999.999", "Celadet Alî Bedirxan"):
        text = "ez wê rojê " * 17 + f"gihîştim {name} li wir"
        reading = normalize(text)
        chunks = chunks_of(reading.text, words_of(reading))
        assert len(chunks) == 2 and normalize(name).text in chunks[1]


def test_a_short_clause_is_not_louder_than_its_neighbours(spelling_voice):
    spoken = list(stream(spelling_voice, "Ez îro ji bajêrê mezin vegeriyam malê. Na. Erê."))
    peaks = [np.abs(clause.waveform).max() for clause in spoken]
    assert len(spoken) == 3 and max(peaks) < 1.15 * min(peaks)


# --- times, pauses, loudness -----------------------------------------------------------------------------------


def test_words_are_heard_when_it_is_said_that_they_are(spelling_voice):
    spoken = list(stream(spelling_voice, TEXT))
    sound = np.concatenate([clause.waveform for clause in spoken])
    assert [word for clause in spoken for word, _, _ in clause.words] == TEXT.split()
    told = np.zeros(len(sound), dtype=bool)
    for clause in spoken:
        for word, start, end in clause.words:
            begin, stop = round(start * RATE), round(end * RATE)
            letters = len(re.sub(r"\W", "", word))
            assert stop - begin == (letters * (LETTER_FRAMES + BLANK_FRAMES) - BLANK_FRAMES) * HOP
            assert np.abs(sound[begin : begin + LETTER_FRAMES * HOP]).max() > 0.01
            told[begin:stop] = True
    assert np.abs(sound[~told]).max() == 0


def test_pauses_are_those_of_the_marks_measured_between_the_sounds(spelling_voice):
    expected = [PAUSES[mark] for mark in ",!."]
    for speed in (1.0, 2.0):
        spoken = list(stream(spelling_voice, TEXT, speed=speed))
        gaps = [after.start - before.end for before, after in itertools.pairwise(spoken)]
        assert gaps == pytest.approx([seconds / speed for seconds in expected], abs=1e-4)
        sound = np.concatenate([clause.waveform for clause in spoken])
        assert len(sound) == round(spoken[-1].end * RATE), "no pause after the last clause"
        for before, after in itertools.pairwise(spoken):
            assert not sound[round(before.end * RATE) : round(after.start * RATE)].any()
        # The silence at the edges of a clause is what is stated, whatever the voice left there.
        heard = np.flatnonzero(np.abs(sound) > 1e-3) / RATE
        assert heard[0] <= synthesis.PAD_SECONDS + 0.015 and heard[-1] >= spoken[-1].end - synthesis.PAD_SECONDS - 0.015


def levelled(waveform: np.ndarray) -> np.ndarray:
    return synthesis.level(waveform, RATE, loudness(waveform, RATE))


@pytest.mark.parametrize("gain_db", [-8.0, 0.0, 20.0])
def test_loud_and_quiet_clauses_come_to_one_loudness(gain_db):
    rng = np.random.default_rng(1)
    syllables = np.repeat(rng.uniform(0.02, 0.1, 20), RATE // 10)
    waveform = (rng.normal(size=len(syllables)) * syllables * 10 ** (gain_db / 20)).astype(np.float32)
    assert loudness(levelled(waveform), RATE) == pytest.approx(LOUDNESS_LUFS, abs=0.1)
    # What is almost silent stays quiet, and silence silent.
    noise = 1e-3 * rng.normal(size=RATE).astype(np.float32)
    raised = loudness(levelled(noise), RATE) - loudness(noise, RATE)
    assert raised == pytest.approx(synthesis.MAX_GAIN_DB, abs=0.1)
    assert not levelled(np.zeros(RATE, np.float32)).any()


@given(st.integers(1, 400), st.floats(1e-4, 30.0), st.integers(0, 9))
def test_nothing_is_ever_clipped(samples, peak, seed):
    waveform = np.random.default_rng(seed).normal(size=samples) ** 5
    waveform = (waveform * peak / np.abs(waveform).max()).astype(np.float32)
    result = levelled(waveform)
    assert result.dtype == np.float32 and len(result) == samples
    assert np.abs(result).max() <= PEAK + 1e-6


def test_a_soft_first_sound_is_not_cut():
    soft, loud = (a * np.sin(2 * np.pi * 440 * np.arange(RATE // 5) / RATE) for a in (0.004, 0.3))
    waveform = np.concatenate([np.zeros(RATE), soft, loud, np.zeros(RATE)])
    kept = voiced_part(frame_levels(waveform, RATE), RATE, SPEECH_EDGE_DB, synthesis.PAD_SECONDS)
    assert RATE - 0.06 * RATE < kept.start <= RATE and kept.stop >= 1.4 * RATE


# --- seeds and letters -----------------------------------------------------------------------------------------


def test_without_variation_every_seed_says_the_same(make_voice):
    voice = make_voice(use_stochastic_duration_prediction=True)
    flat = [speak(voice, TEXT, seed=seed, noise_scale=0) for seed in (1, 2)]
    np.testing.assert_array_equal(*flat)
    assert not np.array_equal(speak(voice, TEXT, seed=1), flat[0])


def test_a_voice_of_another_alphabet_says_what_it_can(audible_voice):
    letters = {letter: number for letter, number in audible_voice.tokenizer.get_vocab().items() if letter not in "jşç"}
    other = dataclasses.replace(audible_voice, tokenizer=SimpleNamespace(get_vocab=lambda: letters))
    np.testing.assert_array_equal(speak(other, "ev"), speak(audible_voice, "ev"))
    with pytest.raises(TextError, match="no letter 'ş'") as caught:
        stream(other, "ev şîn e")
    assert caught.value.characters == "ş"


# --- files and subtitles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", FORMATS)
def test_every_form_holds_the_whole_speech(spelling_voice, tmp_path, ending):
    target = tmp_path / f"dengê min.{ending.upper()}"
    told: list[tuple[int, int]] = []
    seconds = save_speech(spelling_voice, TEXT, target, progress=lambda done, _, total: told.append((done, total)))
    expected = speak(spelling_voice, TEXT)
    found, rate = soundfile.read(target, dtype="float32")
    assert seconds == pytest.approx(len(expected) / RATE) and rate == RATE
    assert len(told) == 4 and told[-1][0] <= told[-1][1] == len(TEXT)
    if ending in ("wav", "flac"):
        np.testing.assert_allclose(found, expected, atol=1 / 32_000)
    else:
        assert abs(len(found) - len(expected)) < 2500
        assert np.sqrt(np.mean(found**2)) == pytest.approx(np.sqrt(np.mean(expected**2)), rel=0.1)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_subtitles_stand_beside_the_sound(spelling_voice, tmp_path):
    save_speech(spelling_voice, TEXT, tmp_path / "a.wav", subtitles="sentences")
    spoken = list(stream(spelling_voice, TEXT))
    blocks = (tmp_path / "a.srt").read_text(encoding="utf-8").split("\n\n")
    assert [block.split("\n")[2] for block in blocks] == [
        "Roj baş ji te re heval, tu bi xêr hatî!",
        "Ez diçim malê.",
        "Tu çawa yî",
    ]
    start, end = re.findall(r"(\d+):(\d+):(\d+),(\d+)", blocks[0])
    assert int(start[3]) == 0 and int(end[2]) + int(end[3]) / 1000 == pytest.approx(spoken[1].end, abs=1e-3)
    save_speech(spelling_voice, TEXT, tmp_path / "b.wav", subtitles="words")
    blocks = (tmp_path / "b.srt").read_text(encoding="utf-8").split("\n\n")
    assert [block.strip().split("\n")[2] for block in blocks] == TEXT.split()
    assert [block.split("\n")[0] for block in blocks] == [str(number) for number in range(1, len(TEXT.split()) + 1)]
    late = SpokenClause("Roj baş.", np.zeros(0), 3599.9996, 3725.0014, (), True)
    assert srt([late]) == "1\n01:00:00,000 --> 01:02:05,001\nRoj baş.\n"


def test_a_file_that_was_there_stays_until_the_new_one_is_whole(spelling_voice, tmp_path, monkeypatch):
    target = tmp_path / "a.wav"
    target.write_bytes(b"old")
    spell = vits_synthesis.speak_ids

    def breaks(*rest: object) -> Iterator[Utterance]:
        yield next(spell(*rest))  # type: ignore[arg-type]
        raise OSError("gone")

    monkeypatch.setattr(vits_synthesis, "speak_ids", breaks)
    with pytest.raises(OSError, match="gone"):
        save_speech(spelling_voice, TEXT, target, subtitles="words")
    with pytest.raises(TextError):
        save_speech(spelling_voice, "…", target)
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["a.m4a", "a", "a.webm", "mp3"])
def test_an_ending_that_is_no_form_of_ours_is_refused(audible_voice, tmp_path, name):
    with pytest.raises(AudioError, match=r"\.wav, \.flac, \.mp3"):
        save_speech(audible_voice, TEXT, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
