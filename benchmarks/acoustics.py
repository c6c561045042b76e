"""Rooms, noises and faults of recordings, which damage clean speech in known ways.

Waveforms are (samples,), float32, full scale 1; `draw` is a NumPy generator: the same seed gives the same sound.
"""

import io
from collections.abc import Sequence

import numpy as np
import scipy.signal
import soundfile

from kurdtts_lib.audio.io import read, resample

NOISES = ("white", "pink", "hum", "fan", "babble")
SPEED_OF_SOUND = 343.0
"""Metres a second."""
MAINS_HZ = 50.0
CODEC_DELAY = 1105
"""Samples: 576 of the encoder LAME and 529 of a decoder. libsndfile removes them only at usual bit rates."""


# --- rooms


def impulse_response(seconds: float, rate: int, draw: np.random.Generator) -> np.ndarray:
    """Of a room of drawn size that sound takes about `seconds` to leave (RT60); its first sample is the direct sound.

    Image method for a rectangular room (Allen and Berkley 1979), the walls' reflection after Eyring 1930. The images
    are displaced by some centimetres, without which the echoes of two parallel walls sweep audibly (De Sena 2015).
    """
    size = draw.uniform((2.8, 2.5, 2.3), (6.0, 5.0, 3.0))
    surface = 2 * (size[0] * size[1] + size[1] * size[2] + size[2] * size[0])
    reflection = np.exp(-0.0805 * size.prod() / (surface * seconds))
    speaker = draw.uniform(0.2, 0.8, 3) * size
    microphone = np.clip(speaker + draw.uniform(-0.6, 0.6, 3), 0.1, size - 0.1)

    axes = [_images(*axis, reach=SPEED_OF_SOUND * seconds) for axis in zip(size, speaker, microphone, strict=True)]
    offsets, counts = (np.ix_(*(axis[part] for axis in axes)) for part in (0, 1))
    distances = np.sqrt(sum(np.square(offset) for offset in offsets)).ravel()
    reflections = (counts[0] + counts[1] + counts[2]).ravel()
    direct = distances[reflections == 0][0]
    later = np.maximum(0.0, distances - direct + np.where(reflections, draw.normal(0, 0.04, len(distances)), 0))
    samples = np.rint(later * rate / SPEED_OF_SOUND).astype(int)
    heard = samples < seconds * rate
    response = np.bincount(samples[heard], weights=(reflection**reflections * direct / distances)[heard])
    # All echoes have one sign, so their sum would have a constant part that no room has.
    return scipy.signal.sosfilt(scipy.signal.butter(2, 40, "high", fs=rate, output="sos"), response).astype(np.float32)


def _images(length: float, source: float, microphone: float, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Along one axis: (offsets of the source's images from the microphone in metres, their numbers of reflections)."""
    turns = np.arange(-int(reach / (2 * length)) - 1, int(reach / (2 * length)) + 2)
    offsets = np.concatenate([2 * turns * length + source, 2 * turns * length - source]) - microphone
    return offsets, np.concatenate([np.abs(2 * turns), np.abs(2 * turns - 1)])


def reverberation_time(response: np.ndarray, rate: int) -> float:
    """RT60 in seconds: three times the fall from -5 to -25 dB of the energy that is still to come (Schroeder 1965)."""
    remaining = np.cumsum(np.square(response[::-1], dtype=np.float64))[::-1]
    level = 10 * np.log10(remaining / remaining[0] + 1e-12)
    part = np.flatnonzero((level <= -5) & (level >= -25))
    return float(-60 * (part[-1] - part[0]) / rate / (level[part[-1]] - level[part[0]]))


def reverberant(waveform: np.ndarray, response: np.ndarray) -> np.ndarray:
    """The waveform in a room, as long as it was: what lies outside its last sample is cut."""
    return scipy.signal.fftconvolve(waveform, response)[: len(waveform)].astype(np.float32)


# --- noise


def make_noise(
    kind: str, samples: int, rate: int, draw: np.random.Generator, voices: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """One of `NOISES`, root mean square 1. voices: what the people of a babble say, each (samples,)."""
    if kind == "babble":
        noise = _babble(samples, draw, voices)
    elif kind == "hum":
        time, harmonics = np.arange(samples) / rate, np.arange(1, 16)
        phases, strengths = draw.uniform(0, 2 * np.pi, 15), draw.uniform(0.3, 1, 15) / harmonics
        waves = zip(harmonics, phases, strengths, strict=True)
        noise = sum(strength * np.sin(2 * np.pi * MAINS_HZ * k * time + phase) for k, phase, strength in waves)
    else:
        hertz = np.maximum(np.fft.rfftfreq(samples, 1 / rate), 20)
        shape = {"white": np.ones_like(hertz), "pink": hertz**-0.5, "fan": 1 / (1 + (hertz / 200) ** 2)}[kind]
        noise = np.fft.irfft(shape * np.fft.rfft(draw.normal(size=samples)), samples)
    return (noise / rms(noise)).astype(np.float32)


def _babble(samples: int, draw: np.random.Generator, voices: Sequence[np.ndarray], people: int = 6) -> np.ndarray:
    """Equally loud people who speak without a pause, each beginning somewhere in what they say."""
    noise = np.zeros(samples)
    for number in draw.permutation(len(voices))[:people]:
        voice = voices[number]
        noise += np.resize(np.roll(voice, draw.integers(len(voice))), samples) / rms(voice)
    return noise


def with_noise(waveform: np.ndarray, noise: np.ndarray, snr_db: float, speech: slice = slice(None)) -> np.ndarray:
    """noise: as long as the waveform, root mean square 1. speech: the samples whose level the ratio is about."""
    return waveform + noise * np.float32(rms(waveform[speech]) * 10 ** (-snr_db / 20))


def rms(waveform: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))


# --- faults


def with_clicks(waveform: np.ndarray, rate: int, draw: np.random.Generator) -> np.ndarray:
    """One to four bursts of about 2 ms, as of a mouse or a finger on the microphone, anywhere in the waveform."""
    clicked = waveform.copy()
    burst = np.exp(-np.arange(rate // 100) / (0.002 * rate))
    for place in draw.integers(0, len(waveform) - len(burst), draw.integers(1, 5)):
        peak = np.abs(waveform).max() * draw.uniform(0.3, 1)
        clicked[place : place + len(burst)] += (peak * burst * draw.uniform(-1, 1, len(burst))).astype(np.float32)
    return clicked


def make_breath(seconds: float, rate: int, draw: np.random.Generator) -> np.ndarray:
    """(samples,), root mean square 1: noise between 0.6 and 5 kHz that swells and fades."""
    samples = round(seconds * rate)
    band = scipy.signal.butter(2, (600, 5000), "band", fs=rate, output="sos")
    breath = scipy.signal.sosfilt(band, draw.normal(size=samples)) * np.hanning(samples)
    return (breath / rms(breath)).astype(np.float32)


def clipped(waveform: np.ndarray, share: float) -> np.ndarray:
    """Recorded too loud: that share of the samples is at full scale."""
    return np.clip(waveform / np.quantile(np.abs(waveform), 1 - share), -1, 1).astype(np.float32)


def narrowband(waveform: np.ndarray, rate: int) -> np.ndarray:
    """What a telephone of 8 kHz keeps of it, at the same rate."""
    return _as_long(resample(resample(waveform, rate, 8000), 8000, rate), len(waveform))


def low_rate_mp3(waveform: np.ndarray, rate: int) -> np.ndarray:
    """After an MP3 of 8 kbit/s, which holds 16 kHz; at the same rate and the same place in time."""
    small = resample(waveform, rate, 16_000)
    coded = read(mp3(small, 16_000, bitrate_mode="CONSTANT", compression_level=0.999))[0][:, 0]
    delay = CODEC_DELAY if len(coded) > len(small) else 0
    return _as_long(resample(coded[delay:], 16_000, rate), len(waveform))


def mp3(waveform: np.ndarray, rate: int, bitrate_mode: str = "VARIABLE", compression_level: float = 0.6) -> bytes:
    """By default as in Common Voice: about 40 kbit/s of 32 kHz. A decoder gives it back in the same place in time."""
    buffer = io.BytesIO()
    soundfile.write(
        buffer, waveform, rate, format="MP3", subtype="MPEG_LAYER_III",
        bitrate_mode=bitrate_mode, compression_level=compression_level,
    )  # fmt: skip
    return buffer.getvalue()


def _as_long(waveform: np.ndarray, samples: int) -> np.ndarray:
    return np.pad(waveform, (0, max(0, samples - len(waveform))))[:samples]
