"""One clip's sound: what is mended is mended, what is measured is right, what cannot be used says why."""

import dataclasses
import functools
import re
from pathlib import Path

import numpy as np
import pytest
from speechlike import encoded, syllables

from kurdtts_lib.audio.levels import LOWEST_DB, PEAK, loudness
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data.preprocess import cache_key
from kurdtts_lib.data.preprocess import preprocess as preprocess_at

RATE = AudioSettings().sampling_rate
TREATMENT = CorpusSettings()
UNTOUCHED = CorpusSettings(remove_dc=False, trim_db=None, loudness_lufs=None)
preprocess = functools.partial(preprocess_at, sampling_rate=RATE)


def wav(waveform: np.ndarray, rate: int = RATE) -> bytes:
    return encoded(waveform, rate, "WAV", "FLOAT")


def treated(waveform: np.ndarray, settings: CorpusSettings = TREATMENT) -> tuple[np.ndarray, dict[str, float]]:
    """(waveform, figures)."""
    sound = preprocess(wav(waveform), settings)
    assert sound.waveform is not None and sound.figures is not None and np.isfinite(list(sound.figures.values())).all()
    return sound.waveform, sound.figures


def test_a_constant_offset_is_measured_and_taken_out() -> None:
    for remove, mean in ((True, 0.0), (False, 0.1)):
        waveform, figures = treated(syllables(2.0) + 0.1, dataclasses.replace(UNTOUCHED, remove_dc=remove))
        assert figures["dc_offset"] == pytest.approx(0.1, abs=1e-3)
        assert float(waveform.mean()) == pytest.approx(mean, abs=1e-3)


def test_silence_around_the_voice_is_cut_to_the_pad() -> None:
    silence = np.zeros(RATE)
    _, figures = treated(np.concatenate([silence, syllables(2.0), silence]))
    assert (figures["source_seconds"], figures["source_rate"], figures["channels"]) == (4.0, RATE, 1)
    assert figures["seconds"] == pytest.approx(2.0 + 2 * TREATMENT.pad_seconds, abs=0.08)


def test_a_quiet_clip_is_brought_up_and_a_loud_one_down_but_no_peak_clips() -> None:
    treated(syllables(0.12))  # shorter than a block of the meter
    for level in (0.0, 1e-6):
        _, figures = treated(np.full(RATE, level))
        assert figures["gain_db"] == 0.0 and figures["source_lufs"] == LOWEST_DB
    for factor in (0.01, 1.5):
        waveform, figures = treated(factor * syllables(2.0))
        assert waveform.dtype == np.float32 and figures["seconds"] == len(waveform) / RATE
        assert loudness(waveform, RATE) == pytest.approx(-23.0, abs=0.01) == figures["lufs"]
        assert figures["gain_db"] == pytest.approx(-23.0 - figures["source_lufs"], abs=1e-3)
    clicks = 0.01 * syllables(2.0)
    clicks[::4000] = 0.9
    waveform, figures = treated(clicks, dataclasses.replace(TREATMENT, loudness_lufs=-10.0))
    assert np.abs(waveform).max() == pytest.approx(PEAK, abs=1e-4) and figures["lufs"] < -11


def test_the_share_of_clipped_samples_is_counted_also_after_mp3() -> None:
    voice = syllables(3.0, rate=32_000)
    limited = np.clip(8 * voice, -1, 1)
    share = np.mean(np.abs(limited) >= 0.99)
    for form, tolerance in (("WAV", 1e-3), ("MP3", 0.3 * share)):
        figures = preprocess(encoded(limited, 32_000, form), TREATMENT).figures
        assert figures is not None and figures["clipped_share"] == pytest.approx(share, abs=tolerance)
    clean = preprocess(encoded(voice, 32_000), TREATMENT).figures
    assert clean is not None and clean["clipped_share"] == 0


def test_figures_are_levels_in_decibels_and_noise_varies_less_than_speech() -> None:
    noise = np.random.default_rng(0).normal(scale=0.1, size=2 * RATE)
    padded = np.concatenate([np.zeros(RATE), noise, np.zeros(RATE)])
    assert treated(padded)[1]["level_range_db"] < 10 < treated(syllables(2.0))[1]["level_range_db"]
    _, figures = treated(0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE), UNTOUCHED)
    assert figures["peak_level_db"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.1)
    assert figures["level_range_db"] < 1


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "cannot be decoded"),
        (b"<html>not found</html>", "cannot be decoded"),
        (wav(np.zeros(0)), "empty"),
        (wav(np.full(100, np.nan)), "cannot be decoded"),
        (wav(np.zeros(3), 48_000), None),
    ],
    ids=["no bytes", "a page", "no samples", "NaN", "three samples"],  # the bytes of a WAV hold the time of day
)
def test_what_cannot_be_used_says_why(content: bytes, fault: str | None) -> None:
    sound = preprocess(content, TREATMENT)
    assert sound.fault == (fault or sound.fault)
    assert bool(sound.fault) == (sound.waveform is None) == (sound.figures is None)


@pytest.mark.parametrize(("form", "rate"), [("MP3", 32_000), ("MP3", 48_000), ("WAV", 16_000), ("FLAC", 16_000)])
def test_a_file_that_did_not_arrive_whole_is_told(form: str, rate: int, tmp_path: Path) -> None:
    whole = encoded(syllables(3.0, rate=rate), rate, form)
    assert preprocess(whole, TREATMENT).fault == ""
    for share in (0.3, 0.6, 0.9):
        part = whole[: int(share * len(whole))]
        sound = preprocess(part, TREATMENT)
        if form == "FLAC":  # its decoder refuses by itself
            assert sound.fault == "cannot be decoded"
            continue
        assert sound.fault == "cut off" and sound.waveform is None
        missing, stated = map(float, re.findall(r"([\d.]+) s", sound.detail))
        assert stated == pytest.approx(3.0, abs=0.2) and missing == pytest.approx(3 * (1 - share), abs=0.5)
        (tmp_path / "part").write_bytes(part)
        assert preprocess(tmp_path / "part", TREATMENT) == sound


def test_a_wav_whose_writer_did_not_know_the_length_is_whole() -> None:
    whole = wav(syllables(1.0))
    for unknown in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
        assert preprocess(whole[:4] + unknown + whole[8:], TREATMENT).fault == ""


def test_a_recording_of_many_minutes_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("kurdtts_lib.data.preprocess.read", never)
    long = encoded(np.zeros(601 * 8000, np.float32), 8000, "FLAC")
    assert preprocess(long, TREATMENT).fault == "far too long"


def test_another_library_has_another_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    first = cache_key(TREATMENT, RATE)
    assert first == cache_key(CorpusSettings(), RATE)
    monkeypatch.setattr("kurdtts_lib.data.preprocess.version", lambda name: "99")
    assert first != cache_key(TREATMENT, RATE)
