"""Export of a voice to a folder that runs without torch, verified before it appears."""

import datetime
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from kurdtts_lib import __version__
from kurdtts_lib.core.cards import public_name, render
from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.files import atomic_folder, check_own, write_json, write_text
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.text import encode, known_part, normalize
from kurdtts_lib.vits.voice import Voice, load_voice
from kurdtts_lib.voices.export import verification
from kurdtts_lib.voices.export.graph import SherpaGraph, SpeakingGraph, plain_model, quantize, write_graph
from kurdtts_lib.voices.export.onnx_voice import CARD, MODEL, VOCABULARY, graph_inputs, open_session
from kurdtts_lib.voices.export.sherpa import TOKENS, metadata, write_tokens
from kurdtts_lib.voices.finetune import licence_of

FORMS = ("onnx", "onnx-int8", "sherpa")


@dataclass(frozen=True)
class Exported:
    """An exported folder, the content of its `export.json`, and warnings for the user."""

    folder: Path
    card: dict[str, Any]
    warnings: list[str]


def export_voice(source: str | Path, folder: Path, form: str = "onnx") -> Exported:
    """Export the voice `source`, a folder or a name on the hub, to the new or empty folder `folder`.

    form: `onnx` and `onnx-int8` are for `OnnxVoice`, `sherpa` is for programs that use sherpa-onnx.
    Raises VoiceError if the form is unknown, the voice cannot be loaded, or the export does not reproduce its speech;
    TextError if it lacks letters of Kurmanji; KurdTTSError if the folder is not empty. Nothing is left behind then.
    """
    if form not in FORMS:
        raise VoiceError(f"There is no form {form!r}. Choose one of: {', '.join(FORMS)}.")
    check_own(folder)
    voice = load_voice(source)
    graph = SpeakingGraph(plain_model(voice.model))
    with atomic_folder(folder) as temporary:
        found = {"onnx": _write_onnx, "onnx-int8": _write_int8, "sherpa": _write_sherpa}[form](voice, graph, temporary)
        warnings = list(filter(None, [found.pop("warning", "")]))
        card = {
            "form": form,
            "voice": public_name(str(source)),
            "licence": licence_of(voice, str(source)),
            "language": voice.tokenizer.language or "kmr",
            "sampling_rate": voice.model.config.sampling_rate,
            "flow_size": voice.model.config.flow_size,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "kurdtts": __version__,
            "packages": {name: version(name) for name in ("torch", "transformers", "onnx", "onnxruntime")},
            "machine": f"{platform.machine()}, {platform.system()}",
            "bytes": (temporary / MODEL).stat().st_size,
            **found,
        }
        write_json(temporary / CARD, card)
        write_text(temporary / "LICENCE", f"{card['licence']}\n")
        write_text(temporary / "README.md", render("voices/export/export.md", card=card, warnings=warnings))
    return Exported(folder, card, warnings)


def _rows(voice: Voice, sentences: tuple[str, ...]) -> list[list[int]]:
    """Token ids of each sentence. Raises TextError if the voice lacks letters of Kurmanji."""
    return [encode(sentence, voice.tokenizer) for sentence in sentences]


def _write_onnx(voice: Voice, graph: SpeakingGraph, folder: Path) -> dict[str, Any]:
    write_graph(graph, folder / MODEL, {"sampling_rate": voice.model.config.sampling_rate})
    write_json(folder / VOCABULARY, voice.tokenizer.get_vocab())
    agreement = verification.check_speaking(open_session(folder / MODEL), graph, _rows(voice, verification.SENTENCES))
    return {"agreement": asdict(agreement)}


def _write_int8(voice: Voice, graph: SpeakingGraph, folder: Path) -> dict[str, Any]:
    found = _write_onnx(voice, graph, folder)
    exact = (folder / MODEL).rename(folder / "exact.onnx")
    flow_size = graph.model.config.flow_size
    examples = [
        graph_inputs(row, np.random.default_rng(seed), flow_size, 1.0, 1.0)
        for seed, row in enumerate(_rows(voice, verification.CALIBRATION), 1000)
    ]
    quantize(exact, folder / MODEL, examples)
    loss = verification.measure_loss(
        open_session(exact, threads=1),
        open_session(folder / MODEL, threads=1),
        graph,
        _rows(voice, verification.SENTENCES[1:]),
        AudioSettings(sampling_rate=voice.model.config.sampling_rate),
    )
    float_bytes = exact.stat().st_size
    exact.unlink()
    return {**found, "float_bytes": float_bytes, "loss": asdict(loss), "warning": loss.warning}


def _write_sherpa(voice: Voice, graph: SpeakingGraph, folder: Path) -> dict[str, Any]:
    about = metadata(voice.tokenizer.language or "kmr", voice.model.config.sampling_rate)
    write_graph(SherpaGraph(graph.model), folder / MODEL, about)
    write_tokens(voice.tokenizer.get_vocab(), folder / TOKENS)
    texts = [known_part(normalize(one, marks=True).text, voice.tokenizer) for one in verification.SENTENCES]
    agreement = asdict(verification.check_sherpa(folder, graph, texts, _rows(voice, verification.SENTENCES)))
    return {"agreement": agreement, "sherpa_onnx": {"version": version("sherpa-onnx"), **agreement}}
