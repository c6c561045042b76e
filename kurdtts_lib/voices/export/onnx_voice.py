"""Speech synthesis with an exported voice, by onnxruntime and numpy, without torch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as faults

from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.files import read_json
from kurdtts_lib.speech import speak
from kurdtts_lib.vits.utterance import Utterance

MODEL, VOCABULARY, CARD = "model.onnx", "vocab.json", "export.json"
REFUSALS = faults.Fail, faults.InvalidArgument, faults.InvalidGraph, faults.InvalidProtobuf, faults.NoSuchFile
NOISE_FRAMES = 8
"""Frames of noise for each token of a clause; speech has two or three per token. A longer clause reuses the noise."""


def open_session(model: Path, threads: int | None = None) -> onnxruntime.InferenceSession:
    """An inference session for an ONNX file, on the CPU. threads: None is one for each core.

    Raises VoiceError if it is missing or damaged.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: its warnings are about unused weights
    if threads:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except REFUSALS as error:
        raise VoiceError(f"{model} cannot be loaded: {error} Export the voice again: `kurdtts export`.") from error


def graph_inputs(
    ids: Sequence[int], rng: np.random.Generator, flow_size: int, speed: float, noise_scale: float
) -> dict[str, np.ndarray]:
    """Inputs of `graph.SpeakingGraph`, by name, with noise drawn from `rng`."""
    positions = len(ids)
    return {
        "input_ids": np.array([ids], dtype=np.int64),
        "speed": np.array(speed, dtype=np.float32),
        "variation": np.array(noise_scale, dtype=np.float32),
        "duration_noise": rng.standard_normal((1, 2, positions), dtype=np.float32),
        "noise": rng.standard_normal((1, flow_size, NOISE_FRAMES * positions), dtype=np.float32),
    }


class OnnxVoice:
    """An exported voice (form `onnx`, or `onnx-int8` of earlier versions). Thread-safe."""

    def __init__(self, folder: str | Path, threads: int | None = None) -> None:
        """threads: None is one for each core. Raises VoiceError if the folder holds no voice of these forms."""
        folder = Path(folder)
        card = _read_card(folder)
        self.sampling_rate: int = card["sampling_rate"]
        """Hertz."""
        self._flow_size: int = card["flow_size"]
        self.tokenizer = _Vocabulary(read_json(folder / VOCABULARY))
        self._session = open_session(folder / MODEL, threads)

    def speak(self, text: str, seed: int = 1, speed: float = 1.0, noise_scale: float = 1.0) -> np.ndarray:
        """The waveform of `text`: (samples,), float32 in [-1, 1], at `sampling_rate` Hz.

        speed: 2 takes half the time, at the same pitch. noise_scale: a factor on the voice's own noise scales of melody
        and rhythm. The same seed gives the same samples on the same kind of machine; another seed, another reading.
        Raises TextError, before anything is spoken, for text that the voice cannot say; VoiceError for a speed <= 0.
        """
        if not speed > 0:
            raise VoiceError(f"A speed of {speed} cannot be spoken. 1 is the voice's own, 2 takes half the time.")
        return speak(self, text, seed=seed, speed=speed, noise_scale=noise_scale, level=False)

    def utterances(
        self, clauses: Iterable[Sequence[int]], seed: int, speed: float, noise_scale: float, exact: bool = False
    ) -> Iterator[Utterance]:
        """Synthesise each clause, given as token ids, when it is asked for; always in the precision of the export."""
        rng = np.random.default_rng(seed)
        for ids in clauses:
            inputs = graph_inputs(ids, rng, self._flow_size, speed, noise_scale)
            waveform, durations = self._session.run(["waveform", "durations"], inputs)
            yield Utterance(waveform, durations.astype(np.int64))


class _Vocabulary(dict[str, int]):
    def get_vocab(self) -> dict[str, int]:
        return self


def _read_card(folder: Path) -> Mapping[str, Any]:
    try:
        card = read_json(folder / CARD)
        form = card["form"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VoiceError(
            f"{folder} holds no exported voice that can be read ({error}). Make one: `kurdtts export -o {folder}`."
        ) from error
    if not form.startswith("onnx"):
        raise VoiceError(
            f"{folder} holds the form {form}, which its own program speaks; see its README.md. "
            "Export with `--form onnx` to speak from here."
        )
    return card
