"""Verification of an exported graph: it must reproduce the voice's samples."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.voices.export.graph import SpeakingGraph
from kurdtts_lib.voices.export.onnx_voice import graph_inputs
from kurdtts_lib.voices.export.sherpa import speak_with_sherpa

SENTENCES = (
    "Na.",
    "Roj baş!",
    "Navê min Berfîn e.",
    "Ez îro zû ji xew rabûm û çûm bazarê.",
    "Xwişka min nan û penîr dixwe, birayê min çay vedixwe.",
    "Zarokên gund her sibe bi hev re diçin dibistanê, û êvarê li ber çem dilîzin heta ku roj diçe ava.",
)
LEAST_SNR_DB = 60.0
"""The error is then a thousandth of the speech's amplitude. Both are float32 and differ by rounding: 115 to 130 dB."""
HIGHEST_SNR_DB = 200.0
"""Stands for infinity, where both waveforms are the same."""
SPEEDS = (1.0, 0.8, 1.3)
BORDER_SPEED = 1.013
"""Factor for a second try where durations differ: one that is an integer but for rounding is none at another speed."""


@dataclass(frozen=True)
class Agreement:
    """An exported graph compared with torch, with the same noise."""

    sentences: int
    least_snr_db: float
    at_a_border: int
    """Sentences in which rounding changed a duration by a frame, and which were spoken again a little faster."""


def snr_db(reference: np.ndarray, other: np.ndarray) -> float:
    """Power of the reference over power of the difference, in dB; at most `HIGHEST_SNR_DB`. Both: (samples,)."""
    power, error = (float(np.square(values, dtype=np.float64).sum()) for values in (reference, reference - other))
    if not error:
        return HIGHEST_SNR_DB
    return min(HIGHEST_SNR_DB, 10 * math.log10(power / error)) if power else -math.inf


def check_speaking(session: onnxruntime.InferenceSession, graph: SpeakingGraph, ids: Sequence[list[int]]) -> Agreement:
    """Speak the rows of token ids with torch and with the session, at several speeds, some without noise.

    Raises VoiceError if a sentence differs by more than rounding.
    """
    return _check(graph, ids, lambda inputs: session.run(list(graph.outputs), inputs), (1.0, 1.0, 1.0, 0.0))


def check_sherpa(folder: Path, graph: SpeakingGraph, texts: Sequence[str], ids: Sequence[list[int]]) -> Agreement:
    """The same for an exported `SherpaGraph`, spoken by the package sherpa-onnx; without noise: it draws its own.

    ids: the token ids of `texts`.
    """
    texts_of = {tuple(row): text for row, text in zip(ids, texts, strict=True)}

    def speak(inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        text = texts_of[tuple(inputs["input_ids"][0].tolist())]
        return speak_with_sherpa(folder, [text], noise_scale=0.0, speed=float(inputs["speed"]))

    return _check(graph, ids, speak, (0.0,))


def _check(
    graph: SpeakingGraph,
    ids: Sequence[list[int]],
    exported: Callable[[dict[str, np.ndarray]], list[np.ndarray]],
    noise_scales: Sequence[float],
) -> Agreement:
    """exported: returns the waveform and, if available, the durations."""
    worst, borders = HIGHEST_SNR_DB, 0
    for number, row in enumerate(ids):
        speed, noise_scale = SPEEDS[number % len(SPEEDS)], noise_scales[number % len(noise_scales)]
        for faster in (1.0, BORDER_SPEED):
            rng = np.random.default_rng(number)
            inputs = graph_inputs(row, rng, graph.model.config.flow_size, speed * faster, noise_scale)
            expected, spoken = speak_with_torch(graph, inputs), exported(inputs)
            if len(expected[0]) == len(spoken[0]) and all(map(np.array_equal, expected[1:], spoken[1:])):
                break
            borders += 1
        else:
            raise VoiceError("The exported graph gives other durations than the voice. The export is refused.")
        worst = min(worst, snr_db(expected[0], spoken[0]))
    if not worst >= LEAST_SNR_DB:
        raise VoiceError(
            f"The exported graph differs from the voice ({worst:.0f} dB, at least {LEAST_SNR_DB:.0f} are needed). "
            "The export is refused."
        )
    return Agreement(len(ids), round(worst, 1), borders)


def speak_with_torch(graph: SpeakingGraph, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Waveform (samples,) and durations in frames (positions,)."""
    with torch.inference_mode():
        waveform, durations = graph(*(torch.from_numpy(inputs[name]) for name in graph.inputs))
    return waveform.numpy(), durations.numpy()
