"""Export of a voice to a folder that runs without torch, verified before it appears."""

import datetime
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kurdtts_lib import __version__
from kurdtts_lib.core.cards import public_name, render
from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.files import atomic_folder, check_own, write_json, write_text
from kurdtts_lib.text import encode, known_part, normalize
from kurdtts_lib.vits.voice import Voice, load_voice
from kurdtts_lib.voices.export import verification
from kurdtts_lib.voices.export.graph import SherpaGraph, SpeakingGraph, plain_model, write_graph
from kurdtts_lib.voices.export.onnx_voice import CARD, MODEL, VOCABULARY, open_session
from kurdtts_lib.voices.export.sherpa import TOKENS, metadata, write_tokens
from kurdtts_lib.voices.finetune import licence_of

FORMS = ("onnx", "sherpa")


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
    with atomic_folder(folder) as temporary:
        found = {"onnx": _write_onnx, "sherpa": _write_sherpa}[form](voice, graph, temporary)
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
        write_text(temporary / "README.md", render("voices/export/export.md", card=card))
    return Exported(folder, card)


def _rows(voice: Voice) -> list[list[int]]:
    """Token ids of each sentence. Raises TextError if the voice lacks letters of Kurmanji."""
    return [encode(sentence, voice.tokenizer) for sentence in verification.SENTENCES]


def _write_onnx(voice: Voice, graph: SpeakingGraph, folder: Path) -> dict[str, Any]:
    write_graph(graph, folder / MODEL, {"sampling_rate": voice.model.config.sampling_rate})
    write_json(folder / VOCABULARY, voice.tokenizer.get_vocab())
    agreement = verification.check_speaking(open_session(folder / MODEL), graph, _rows(voice))
    return {"agreement": asdict(agreement)}


def _write_sherpa(voice: Voice, graph: SpeakingGraph, folder: Path) -> dict[str, Any]:
    about = metadata(voice.tokenizer.language or "kmr", voice.model.config.sampling_rate)
    write_graph(SherpaGraph(graph.model), folder / MODEL, about)
    write_tokens(voice.tokenizer.get_vocab(), folder / TOKENS)
    texts = [known_part(normalize(one, marks=True).text, voice.tokenizer) for one in verification.SENTENCES]
    agreement = asdict(verification.check_sherpa(folder, graph, texts, _rows(voice)))
    return {"agreement": agreement, "sherpa_onnx": {"version": version("sherpa-onnx"), **agreement}}
