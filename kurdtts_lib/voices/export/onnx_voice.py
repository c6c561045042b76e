"""Speaking with an exported voice: onnxruntime and numpy, no torch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as faults

from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.files import read_json
from kurdtts_lib.text import Piece, encode, split
from kurdtts_lib.vits.utterance import Utterance

MODEL, VOCABULARY, CARD = "model.onnx", "vocab.json", "export.json"
NOISE_FRAMES = 8
"""Frames of noise for each token of a clause; speech has two or three. A clause that is longer takes them again."""


def open_session(model: Path, threads: int | None = None) -> onnxruntime.InferenceSession:
    """An ONNX file ready to run on the processor. threads: None is one for each core.

    Raises VoiceError if it is missing or damaged.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # its warnings about unused weights are for the makers of exporters
    if threads:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except (
        faults.Fail,
        faults.InvalidArgument,
        faults.InvalidGraph,
        faults.InvalidProtobuf,
        faults.NoSuchFile,
    ) as error:
        raise VoiceError(f"{model} cannot be loaded: {error} Export the voice again: `kurdtts export`.") from error


def graph_inputs(
    ids: Sequence[int], numbers: np.random.Generator, flow_size: int, speed: float, noise_scale: float
) -> dict[str, np.ndarray]:
    """What `graph.SpeakingGraph` takes, by name, with noise drawn from `numbers`."""
    positions = len(ids)
    return {
        "input_ids": np.array([ids], dtype=np.int64),
        "speed": np.array(speed, dtype=np.float32),
        "variation": np.array(noise_scale, dtype=np.float32),
        "duration_noise": numbers.standard_normal((1, 2, positions), dtype=np.float32),
        "noise": numbers.standard_normal((1, flow_size, NOISE_FRAMES * positions), dtype=np.float32),
    }


class OnnxVoice:
    """An exported voice (form `onnx` or `onnx-int8`) that speaks. It may be used from several threads."""

    def __init__(self, folder: str | Path, threads: int | None = None) -> None:
        """threads: None is one for each core. Raises VoiceError if the folder holds no such voice."""
        folder = Path(folder)
        card = _read_card(folder)
        self.sampling_rate: int = card["sampling_rate"]
        """Hertz."""
        self._flow_size: int = card["flow_size"]
        self.tokenizer = _Letters(read_json(folder / VOCABULARY))
        self._session = open_session(folder / MODEL, threads)

    def speak(self, text: str, seed: int = 1, speed: float = 1.0, noise_scale: float = 1.0) -> np.ndarray:
        """The waveform of `text`: (samples,), float32 in [-1, 1], at `sampling_rate` Hz.

        speed: 2 takes half the time, at the same pitch. variation: of melody and rhythm, in parts of the voice's own.
        The same seed gives the same samples, on one kind of machine; those of another seed are another reading.
        Raises TextError, before anything is spoken, for text that the voice cannot say.
        """
        return np.concatenate(list(self.clauses(text, seed, speed, noise_scale)))

    def clauses(self, text: str, seed: int = 1, speed: float = 1.0, noise_scale: float = 1.0) -> Iterator[np.ndarray]:
        """The same, clause by clause, each with the pause after it: the first can be heard while others are made."""
        if not speed > 0:
            raise VoiceError(f"A speed of {speed} cannot be spoken. 1 is the voice's own, 2 takes half the time.")
        pieces = split(text) or [Piece(text, 0.0)]  # nothing to say is for encode to refuse
        ids = [encode(piece.text, self.tokenizer) for piece in pieces]
        return (
            np.pad(said.waveform, (0, round(piece.pause / speed * self.sampling_rate)))
            for said, piece in zip(self.utterances(ids, seed, speed, noise_scale), pieces, strict=True)
        )

    def utterances(
        self, clauses: Iterable[Sequence[int]], seed: int, speed: float, noise_scale: float
    ) -> Iterator[Utterance]:
        """Speak the token ids of clauses, each when it is asked for."""
        numbers = np.random.default_rng(seed)
        for ids in clauses:
            inputs = graph_inputs(ids, numbers, self._flow_size, speed, noise_scale)
            waveform, durations = self._session.run(["waveform", "durations"], inputs)
            yield Utterance(waveform, durations.astype(np.int64))


class _Letters:
    def __init__(self, ids: dict[str, int]) -> None:
        self._ids = ids

    def get_vocab(self) -> dict[str, int]:
        return self._ids


def _read_card(folder: Path) -> Mapping[str, Any]:
    if not (folder / CARD).is_file():
        raise VoiceError(f"{folder} holds no exported voice. Make one: `kurdtts export -o {folder}`.")
    try:
        card = read_json(folder / CARD)
        form = card["form"]
    except (ValueError, KeyError, TypeError) as error:
        raise VoiceError(f"{folder / CARD} cannot be read ({error}). Export the voice again.") from error
    if not form.startswith("onnx"):
        raise VoiceError(
            f"{folder} holds the form {form}, which its own program speaks; see its README.md. "
            "Export with `--form onnx` to speak from here."
        )
    return card
