"""Export of a voice to a folder that runs without torch, verified before it appears."""

import datetime
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from kurdtts_lib import __version__
from kurdtts_lib.core.cards import public_name, render
from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.files import atomic_folder, check_own, write_json, write_text
from kurdtts_lib.text import encode, known_part, normalize
from kurdtts_lib.vits.voice import Voice, load_voice
from kurdtts_lib.voices.export import verification
from kurdtts_lib.voices.export.graph import SherpaGraph, SpeakingGraph, plain_model, write_graph
from kurdtts_lib.voices.export.onnx_voice import CARD, MODEL, VOCABULARY, open_session
from kurdtts_lib.voices.export.sherpa import TOKENS, metadata, speak_with_sherpa, write_tokens
from kurdtts_lib.voices.finetune import licence_of

FORMS = {"onnx": "onnxruntime", "sherpa": "sherpa-onnx"}
"""Each with the package that speaks it."""


@dataclass(frozen=True)
class Exported:
    """An exported folder, and the content of its `export.json`."""

    folder: Path
    card: dict[str, Any]


def export_voice(source: str | Path, folder: Path, form: str = "onnx") -> Exported:
    """Export the voice `source`, a folder or a name on the hub, to the new or empty folder `folder`.

    form: `onnx` is for `OnnxVoice`, `sherpa` for programs that use sherpa-onnx.
    Raises VoiceError if the form is unknown, the voice cannot be loaded, or the export does not reproduce its speech;
    TextError if it lacks letters of Kurmanji; KurdTTSError if the folder is not empty. Nothing is left behind then.
    """
    if form not in FORMS:
        raise VoiceError(f"There is no form {form!r}. Choose one of: {', '.join(FORMS)}.")
    check_own(folder)
    voice = load_voice(source)
    graph = SpeakingGraph(plain_model(voice.model))
    rows = [encode(sentence, voice.tokenizer) for sentence in verification.SENTENCES]
    with atomic_folder(folder) as temporary:
        agreement = {"onnx": _write_onnx, "sherpa": _write_sherpa}[form](voice, graph, rows, temporary)
        card = {
            "form": form,
            "voice": public_name(str(source)),
            "licence": licence_of(voice, str(source)),
            "language": voice.tokenizer.language or "kmr",
            "sampling_rate": voice.model.config.sampling_rate,
            "flow_size": voice.model.config.flow_size,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "kurdtts": __version__,
            "packages": {name: version(name) for name in ("torch", "transformers", "onnx", FORMS[form])},
            "machine": f"{platform.machine()}, {platform.system()}",
            "bytes": (temporary / MODEL).stat().st_size,
            "agreement": agreement,
        }
        write_json(temporary / CARD, card)
        write_text(temporary / "LICENCE", f"{card['licence']}\n")
        write_text(temporary / "README.md", render("voices/export/export.md", card=card))
    return Exported(folder, card)


def _write_onnx(voice: Voice, graph: SpeakingGraph, rows: list[list[int]], folder: Path) -> dict[str, float]:
    write_graph(graph, folder / MODEL, {"sampling_rate": voice.model.config.sampling_rate})
    write_json(folder / VOCABULARY, voice.tokenizer.get_vocab())
    session = open_session(folder / MODEL)
    return verification.check(graph, rows, lambda _, inputs: session.run(list(graph.outputs), inputs))


def _write_sherpa(voice: Voice, graph: SpeakingGraph, rows: list[list[int]], folder: Path) -> dict[str, float]:
    about = metadata(voice.tokenizer.language or "kmr", voice.model.config.sampling_rate)
    write_graph(SherpaGraph(graph.model), folder / MODEL, about)
    write_tokens(voice.tokenizer.get_vocab(), folder / TOKENS)

    def speak(number: int, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        text = known_part(normalize(verification.SENTENCES[number], marks=True).text, voice.tokenizer)
        return speak_with_sherpa(folder, [text], noise_scale=0.0, speed=float(inputs["speed"]))

    return verification.check(graph, rows, speak, (0.0,))  # sherpa-onnx draws its own noise
