"""Verification of an exported graph: it must reproduce the voice's samples."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.voices.export.graph import SpeakingGraph
from kurdtts_lib.voices.export.onnx_voice import graph_inputs

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


def snr_db(reference: np.ndarray, other: np.ndarray) -> float:
    """Power of the reference over power of the difference, in dB; at most `HIGHEST_SNR_DB`. Both: (samples,)."""
    power, error = (float(np.square(values, dtype=np.float64).sum()) for values in (reference, reference - other))
    if not error:
        return HIGHEST_SNR_DB
    return min(HIGHEST_SNR_DB, 10 * math.log10(power / error)) if power else -math.inf


def check(
    graph: SpeakingGraph,
    ids: Sequence[list[int]],
    exported: Callable[[int, dict[str, np.ndarray]], Sequence[np.ndarray]],
    noise_scales: Sequence[float] = (1.0, 1.0, 1.0, 0.0),
) -> dict[str, float]:
    """Speak rows of token ids with torch and with the exported graph, at several speeds, some without noise.

    exported: takes the number of the row and the inputs of `graph`; returns the waveform and, if it has them, the
    durations. Returns the number of sentences, the least ratio of speech to difference in dB, and the number of
    sentences in which rounding changed a duration by a frame, and which were spoken again a little faster.
    Raises VoiceError if a sentence differs by more than rounding.
    """
    worst, borders = HIGHEST_SNR_DB, 0
    for number, row in enumerate(ids):
        speed, noise_scale = SPEEDS[number % len(SPEEDS)], noise_scales[number % len(noise_scales)]
        for faster in (1.0, BORDER_SPEED):
            rng = np.random.default_rng(number)
            inputs = graph_inputs(row, rng, graph.model.config.flow_size, speed * faster, noise_scale)
            expected, spoken = speak_with_torch(graph, inputs), exported(number, inputs)
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
    return {"sentences": len(ids), "least_snr_db": round(worst, 1), "at_a_border": borders}


def speak_with_torch(graph: SpeakingGraph, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Waveform (samples,) and durations in frames (positions,)."""
    with torch.inference_mode():
        waveform, durations = graph(*(torch.from_numpy(inputs[name]) for name in graph.inputs))
    return waveform.numpy(), durations.numpy()
