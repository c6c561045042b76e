"""Sound in and out: every promised format, honest errors for the rest, and levels against slow loops."""

import struct

import numpy as np
import pyloudnorm
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from speechlike import encoded

from kurdtts_lib.audio.io import decode, header, write_wav
from kurdtts_lib.audio.levels import LOWEST_DB, frame_levels, loudness, voiced_part
from kurdtts_lib.core.errors import AudioError

RATE = 16_000
FORMS = ["WAV", "FLAC", "OGG", "MP3"]


def sine(seconds: float, rate: int, amplitude: float = 0.5, frequency: float = 440.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def assert_is_tone(waveform: np.ndarray, seconds: float, amplitude: float) -> None:
    assert waveform.dtype == np.float32 and waveform.ndim == 1
    assert len(waveform) / RATE == pytest.approx(seconds, abs=0.1)  # MP3 comes in frames of up to 72 ms
    middle = waveform[RATE // 4 : -RATE // 4].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * RATE / len(middle) == pytest.approx(440, abs=2)
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(amplitude, rel=0.03)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rate", [16_000, 32_000, 48_000])
def test_every_promised_format_decodes_to_the_same_tone_at_our_rate(form, rate, tmp_path):
    data = encoded(sine(1.0, rate), rate, form)
    waveform = decode(data, RATE)
    assert_is_tone(waveform, 1.0, 0.5)
    path = tmp_path / f"dengê min.{form.lower()}"
    path.write_bytes(data)
    np.testing.assert_array_equal(decode(path, RATE), waveform)
    seconds, found_rate, channels = header(path)
    assert (found_rate, channels) == (rate, 1)
    assert seconds == pytest.approx(1.0, abs=0.1)
    assert header(data) == header(path)


def test_lossless_formats_at_our_rate_come_back_exactly_and_stereo_is_averaged():
    waveform = np.random.default_rng(0).integers(-32768, 32768, size=5000) / 32768
    for form in ("WAV", "FLAC"):
        np.testing.assert_array_equal(decode(encoded(waveform, RATE, form), RATE), waveform.astype(np.float32))
    left, right = np.random.default_rng(0).uniform(-1, 1, size=(2, 4000)).astype(np.float32)
    found = decode(encoded(np.stack([left, right], axis=1), RATE, "WAV", "FLOAT"), RATE)
    np.testing.assert_allclose(found, (left.astype(np.float64) + right) / 2, atol=1e-7)


def assert_refused(source, message):
    for reader in (lambda source: decode(source, RATE), header):
        with pytest.raises(AudioError, match=message):
            reader(source)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"this is no sound at all" * 40, bytes(5000)])
def test_what_is_no_sound_is_an_error_that_says_what_can_be_read(data, tmp_path):
    assert_refused(data, rf"\({len(data)} bytes\) cannot be decoded .*MP3, FLAC, OGG and WAV can")
    path = tmp_path / "no.mp3"
    path.write_bytes(data)
    assert_refused(path, r"no\.mp3 cannot be decoded")
    assert_refused(tmp_path / "tune.wav", r"tune\.wav")  # does not exist
    assert_refused(tmp_path, tmp_path.name)  # a folder
    with pytest.raises(AudioError, match="no sound at all"):
        decode(encoded(np.zeros(0), RATE, "WAV"), RATE)


@pytest.mark.parametrize(("wrong", "rate"), [(np.nan, RATE), (np.inf, 48_000), (-np.inf, RATE)])
def test_samples_that_are_not_numbers_are_an_error(wrong, rate):
    waveform = sine(0.5, rate)
    waveform[100] = wrong
    with pytest.raises(AudioError, match="not numbers"):
        decode(encoded(waveform, rate, "WAV", "FLOAT"), RATE)


def decoded_or_refused(data: bytes) -> np.ndarray | None:
    """The only two things that may happen to any bytes: sound, or an AudioError (None)."""
    try:
        waveform = decode(data, RATE)
    except AudioError:
        return None
    assert waveform.dtype == np.float32 and waveform.ndim == 1 and len(waveform) > 0
    assert np.isfinite(waveform).all()
    return waveform


def test_a_header_with_an_absurd_rate_or_length_gives_sound_or_an_audio_error():
    wav = encoded(sine(0.02, RATE), RATE, "WAV")
    for rate in (0, 1, 7, 2**24, 2**31 - 1, 2**32 - 1):
        decoded_or_refused(wav[:24] + struct.pack("<I", rate) + wav[28:])
    flac = bytearray(encoded(sine(0.1, RATE), RATE, "FLAC"))
    flac[21] |= 0x0F  # STREAMINFO's 36 bits of sample count: a tenth of a second becomes 50 days
    flac[22:26] = b"\xff" * 4
    decoded_or_refused(bytes(flac))


def test_damaged_sound_gives_sound_or_an_audio_error():
    """Cut off, and up to eight bytes changed: anywhere, or in the first 64."""
    generator, refused = np.random.default_rng(11), []
    for whole in [encoded(sine(0.25, 32_000), 32_000, form) for form in FORMS for _ in range(60)]:
        data = np.frombuffer(whole, np.uint8).copy()
        places = generator.integers(generator.choice([64, len(data)]), size=generator.integers(9))
        data[places] = generator.integers(256, size=len(places))
        refused.append(decoded_or_refused(data[: generator.integers(len(data)) * 2].tobytes()) is None)
    assert 30 <= sum(refused) <= len(refused) - 30  # both ways out were taken


def test_a_written_wav_comes_back_within_half_a_16_bit_step(tmp_path):
    waveform = sine(0.3, RATE).astype(np.float32)
    write_wav(tmp_path / "a" / "b.wav", waveform, RATE)
    info = soundfile.info(tmp_path / "a" / "b.wav")
    assert (info.samplerate, info.channels, info.subtype) == (RATE, 1, "PCM_16")
    np.testing.assert_allclose(decode(tmp_path / "a" / "b.wav", RATE), waveform, atol=1.01 / 32768)
    write_wav(tmp_path / "a.wav", np.array([-3.0, -0.5, 0.5, 3.0], dtype=np.float32), RATE)
    np.testing.assert_allclose(decode(tmp_path / "a.wav", RATE), [-1.0, -0.5, 0.5, 1.0], atol=1e-4)  # no wrapping


@given(st.integers(0, 3000), st.sampled_from([8000, 16_000, 22_050]), st.integers(0, 99))
def test_frame_levels_are_the_root_mean_square_around_every_ten_milliseconds(samples, rate, seed):
    waveform = np.random.default_rng(seed).uniform(-1, 1, size=samples).astype(np.float32)
    expected = []
    for centre in range(0, max(1, samples), rate // 100):
        around = [float(waveform[i]) for i in range(centre - rate // 40, centre + rate // 40) if 0 <= i < samples]
        expected.append(np.sqrt(sum(x * x for x in around) / len(around)) if around else 0.0)
    found = frame_levels(waveform, rate)
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def trimmed(waveform: np.ndarray, top_db: float, pad_seconds: float) -> np.ndarray:
    return waveform[voiced_part(frame_levels(waveform, RATE), RATE, top_db, pad_seconds)]


@pytest.mark.parametrize("pad", [0.05, 0.2])
def test_trimming_keeps_the_whole_tone_and_its_pad_and_cuts_the_rest(pad):
    before, after = 0.7, 1.1
    tone = sine(0.5, RATE)
    waveform = np.concatenate([np.zeros(round(before * RATE)), tone, np.zeros(round(after * RATE))])
    found = trimmed(waveform, 40, pad)
    loud = np.flatnonzero(found)
    np.testing.assert_array_equal(found[loud[0] : loud[-1] + 1], tone[1:-1] if tone[-1] == 0 else tone[1:])
    left, right = loud[0] / RATE, (len(found) - loud[-1]) / RATE
    # A level looks 25 ms around itself and comes every 10 ms.
    assert pad - 0.001 <= left <= pad + 0.04
    assert pad - 0.001 <= right <= pad + 0.04


def test_trimming_measures_against_the_loudest_part_and_leaves_sound_without_edges_alone():
    hiss = 0.004 * np.random.default_rng(0).normal(size=RATE)  # 39 dB below the tone
    waveform = np.concatenate([hiss, sine(0.5, RATE), hiss])
    assert len(trimmed(waveform, 30, 0)) < 0.6 * RATE
    assert len(trimmed(waveform, 50, 0)) > 2.4 * RATE
    for whole in (np.zeros(0), np.zeros(5000), sine(0.5, RATE), np.full(3, 0.1)):
        np.testing.assert_array_equal(trimmed(whole, 40, 0.05), whole)


@given(
    st.lists(st.sampled_from([0.3, 0.05, 0.004, 0.0001, 0.0]), min_size=1, max_size=8),
    st.integers(6_400, 60_000),
    st.sampled_from([8_000, 16_000, 22_050]),
    st.integers(0, 99),
)
def test_loudness_is_that_of_the_librarys_meter(levels: list[float], samples: int, rate: int, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=max(samples, rate // 2))
    waveform = noise * np.resize(np.repeat(levels, 3_000), len(noise))
    expected = pyloudnorm.Meter(rate).integrated_loudness(waveform)
    assert loudness(waveform, rate) == pytest.approx(max(expected, LOWEST_DB), abs=1e-6)


def test_a_sound_shorter_than_a_block_of_the_meter_is_as_loud_as_a_longer_one_and_silence_has_no_loudness() -> None:
    short, long = (loudness(sine(seconds, RATE, 0.3).astype(np.float32), RATE) for seconds in (0.1, 2.0))
    assert short == pytest.approx(long, abs=0.5)
    assert loudness(np.zeros(RATE, np.float32), RATE) == LOWEST_DB
    assert loudness(np.full(10, 1e-5, np.float32), RATE) == LOWEST_DB
