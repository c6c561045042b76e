"""Recognisers in the form of sherpa-onnx: CTC models such as Omnilingual ASR, without torch."""

import json
import re
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path

import numpy as np

from kurdtts_lib.audio.io import resample
from kurdtts_lib.core.errors import EvaluationError

TOKENS = "tokens.txt"
RATE = 16_000
CONSTRUCTORS = {
    "omnilingual-asr": "from_omnilingual_asr_ctc",
    "EncDecCTCModel": "from_nemo_ctc",
    "EncDecCTCModelBPE": "from_nemo_ctc",
    "EncDecHybridRNNTCTCBPEModel": "from_nemo_ctc",
    "wenet_ctc": "from_wenet_ctc",
    "zipformer2_ctc": "from_zipformer_ctc",
}
"""Of `sherpa_onnx.OfflineRecognizer`, by the `model_type` in the model's metadata."""
# fmt: off
PROCESS = """
import json, sys
import numpy, sherpa_onnx
constructor, model, tokens, rate = sys.argv[1:]
recogniser = getattr(sherpa_onnx.OfflineRecognizer, constructor)(model=model, tokens=tokens)
print("ready", flush=True)
while count := sys.stdin.buffer.readline():
    stream = recogniser.create_stream()
    samples = numpy.frombuffer(sys.stdin.buffer.read(4 * int(count)), dtype=numpy.float32)
    stream.accept_waveform(int(rate), samples)
    recogniser.decode_stream(stream)
    print(json.dumps(stream.result.text), flush=True)
"""
# fmt: on


class SherpaRecogniser:
    """Transcribes a waveform (samples,) at a sampling rate in Hz, in one process for all.

    A process of its own: see `voices.export.sherpa.speak_with_sherpa`. It ends with this object.
    """

    def __init__(self, folder: Path) -> None:
        """folder: `TOKENS` and one ONNX model. Raises EvaluationError if it holds something else or is refused."""
        models = list(folder.glob("*.onnx"))
        if len(models) != 1:
            raise EvaluationError(f"{folder} holds {len(models)} *.onnx files; beside {TOKENS} it needs exactly one.")
        kind = _model_type(models[0])
        if kind not in CONSTRUCTORS:
            raise EvaluationError(f"{models[0]} is of the type {kind!r}. What can be used: {', '.join(CONSTRUCTORS)}.")
        self.folder = folder
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 -- as long as the process
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, CONSTRUCTORS[kind], str(models[0]), str(folder / TOKENS), str(RATE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        weakref.finalize(self, self.process.communicate)  # the end of its input is its own end
        self._answer()

    def __call__(self, waveform: np.ndarray, sampling_rate: int) -> str:
        samples = resample(waveform, sampling_rate, RATE).astype("<f4")
        text = json.loads(self._answer(f"{len(samples)}\n".encode() + samples.tobytes()))
        return re.sub("<[a-z]+>", "", text)  # such as <unk>, which would count as five characters

    def _answer(self, message: bytes = b"") -> bytes:
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(message)
            self.process.stdin.flush()
        except OSError:  # it has ended, and its answer is empty
            pass
        if line := self.process.stdout.readline():
            return line
        self.log.seek(0)
        reason = "; ".join(self.log.read().decode(errors="replace").strip().splitlines()[-3:])
        raise EvaluationError(f"sherpa-onnx cannot recognise with {self.folder}: {reason or 'it ended'}")


def _model_type(model: Path) -> str:
    import onnx  # a third of a second, which a judging without such a recogniser does not wait for

    try:
        metadata = onnx.load(model, load_external_data=False).metadata_props
    except Exception as error:  # also protobuf's own kinds
        raise EvaluationError(f"{model} cannot be read as ONNX ({error}). Download it again.") from error
    return next((entry.value for entry in metadata if entry.key == "model_type"), "")
