"""Real-time factor, latency, memory and disk space of speech synthesis: the forms of a voice, in turns.

    python benchmarks/speech.py                                    both voices, one core and two
    python benchmarks/speech.py --voice tiny --threads 1 --pairs 3 --characters 20 80

Each form runs in its own process; all forms speak a text before the next turn begins, so that other load affects all of
them, and the ratio to the first form, `eager`, is taken within a turn. The first turn (memory allocation, compilation)
is not counted. Peak memory is the process's largest resident set, imports included.
"""

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from worker import Worker, peak_memory

FORMS = ("eager", "points", "bf16", "onnx", "sherpa")
TEXT = (
    "Di gundekî biçûk de jinek pîr dijiya. Her sibe zû radibû, av ji kaniyê tanî û nan dipijand. Cîranên wê jê pir hez "
    "dikirin, ji ber ku çîrokên kevn baş dizanî. Êvarê zarok li dora agir rûdiniştin û li dengê wê guhdarî dikirin. "
    "Rojekê keçikek biçûk jê pirsî: gelo ev çîrok rast in? Jinikê keniya û got ku her çîrok hinekî rast e."
)
CHARACTERS_PER_SECOND = 14
Speaker = tuple[Callable[[str], Iterator[Any]], int]
"""A function that synthesises the clauses of a text, each (samples,), and their sampling rate in Hertz."""
REPOSITORY = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voice", choices=("full", "tiny"), nargs="+", default=["full", "tiny"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--characters", type=int, nargs="+", default=[20, 80, 300])
    parser.add_argument("--forms", choices=FORMS, nargs="+", default=list(FORMS))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--work", choices=FORMS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        _work(options.work, options.folder, options.threads[0])
        return
    for name in options.voice:
        with tempfile.TemporaryDirectory() as temporary:
            folders = _folders(name, Path(temporary), options.forms)
            for threads in options.threads:
                _measure(name, folders, threads, options)


def _folders(name: str, temporary: Path, forms: list[str]) -> dict[str, Path]:
    """The folder of each form; exported forms are written first."""
    from kurdtts_lib.voices.export.export import FORMS as EXPORTED
    from kurdtts_lib.voices.export.export import export_voice

    voice = REPOSITORY / "models" / "tiny-kmr" if name == "tiny" else _full_size_voice(temporary / "voice")
    folders = {}
    for form in ["eager", *(form for form in forms if form != "eager")]:
        folders[form] = voice
        if form in EXPORTED:
            exported = export_voice(voice, temporary / form, form)
            folders[form] = exported.folder
            print(f"{name}, {form}: {exported.card['agreement']}", flush=True)
        size = sum(path.stat().st_size for path in folders[form].glob("model.*"))
        print(f"{name}, {form}: {size / 1e6:.1f} MB on the disk", flush=True)
    return folders


def _full_size_voice(folder: Path) -> Path:
    """A voice of MMS's size with random weights, neither saturated nor silent, with a usual speaking rate."""
    import torch
    from transformers import VitsConfig, VitsModel

    from kurdtts_lib.core.settings import load_profile
    from kurdtts_lib.text import encode
    from kurdtts_lib.vits.generation import speak_ids
    from kurdtts_lib.vits.voice import Voice, load_voice, save_voice

    torch.manual_seed(1)
    folder.mkdir(parents=True)
    tokenizer = load_voice(load_profile("sample").base_voice).tokenizer
    model = VitsModel(VitsConfig(vocab_size=len(tokenizer)))
    decoder: Any = model.decoder
    with torch.no_grad():
        flow: Any
        for flow in model.flow.flows:
            flow.conv_post.weight.normal_(0, 0.02)
        for layer in decoder.modules():  # each layer keeps the variance of its input
            if isinstance(layer, torch.nn.Conv1d):
                layer.weight.normal_(0, 1 / math.sqrt(layer.weight[0].numel()))
            elif isinstance(layer, torch.nn.ConvTranspose1d):
                inputs, _, kernel = layer.weight.shape
                layer.weight.normal_(0, 1 / math.sqrt(inputs * kernel / layer.stride[0]))
        for block in decoder.resblocks:
            for layer in block.convs2:
                layer.weight.mul_(0.3)
    voice = Voice(model.eval(), tokenizer, card={"licence": "CC0 1.0"})
    target_seconds = 40 / CHARACTERS_PER_SECOND
    for _ in range(6):
        (spoken,) = speak_ids(model, [encode(TEXT[:40], tokenizer)])
        model.config.speaking_rate = model.speaking_rate = (
            model.speaking_rate * len(spoken.waveform) / model.config.sampling_rate / target_seconds
        )
    (spoken,) = speak_ids(model, [encode(TEXT[:40], tokenizer)])
    seconds, peak = len(spoken.waveform) / model.config.sampling_rate, abs(spoken.waveform).max()
    print(f"full size: 40 characters in {seconds:.2f} s, RMS {spoken.waveform.std():.2f}, peak {peak:.2f}", flush=True)
    for file in folder.iterdir():
        file.unlink()
    save_voice(voice, folder, "")
    return folder


def _measure(name: str, folders: dict[str, Path], threads: int, options: argparse.Namespace) -> None:
    workers = {
        form: Worker(__file__, threads, "--work", form, "--folder", str(folder)) for form, folder in folders.items()
    }
    for characters in options.characters:
        answers: dict[str, list[dict]] = {form: [] for form in workers}
        for turn in range(1 + options.pairs):
            for form in workers if turn % 2 else reversed(workers):
                answer = workers[form].ask(TEXT[:characters].strip())
                if turn:
                    answers[form].append(answer)
        _report(f"{name}, {threads} thread(s), {characters} characters", answers)
    for worker in workers.values():
        worker.close()


def _report(title: str, answers: dict[str, list[dict]]) -> None:
    audio = answers["eager"][0]["audio"]
    print(f"{title}: {audio:.1f} s of speech, {len(answers['eager'])} turns, median (least to most)")
    for form, some in answers.items():
        factors = [answer["seconds"] / answer["audio"] for answer in some]
        pairs = zip(some, answers["eager"], strict=True)
        # Per second of speech: the forms draw different noise, so a stochastic voice differs in length.
        ratios = [a["seconds"] / a["audio"] / (b["seconds"] / b["audio"]) for a, b in pairs]
        firsts = [answer["first"] for answer in some]
        print(
            f"  {form:10} real-time factor {_spread(factors)}, of eager {_spread(ratios)}, "
            f"first sound after {_spread(firsts)} s, peak {some[-1]['peak'] / 1e9:.2f} GB",
            flush=True,
        )


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _work(form: str, folder: Path, threads: int) -> None:
    """A worker: speak each line of stdin."""
    makers: dict[str, Callable[[Path, int], Speaker]] = {
        "sherpa": _with_sherpa,
        "onnx": _with_onnx,
    }
    clauses, rate = makers[form](folder, threads) if form in makers else _with_torch(form, folder, threads)
    for line in sys.stdin:
        started = time.perf_counter()
        first, samples = 0.0, 0
        for clause in clauses(line.strip()):
            samples += len(clause)
            first = first or time.perf_counter() - started
        seconds = time.perf_counter() - started
        answer = {"seconds": seconds, "first": first, "audio": samples / rate, "peak": peak_memory()}
        print(json.dumps(answer), flush=True)


def _with_torch(form: str, folder: Path, threads: int) -> Speaker:
    import torch

    from kurdtts_lib.text import encode, split
    from kurdtts_lib.vits import generation
    from kurdtts_lib.vits.voice import load_voice
    from kurdtts_lib.vits.winograd import Convolutions

    torch.set_num_threads(threads)
    voice = load_voice(folder)
    precision = torch.bfloat16 if form == "bf16" else torch.float32

    plain = generation.decode

    def decode(*arguments: Any) -> torch.Tensor:
        with Convolutions():
            return plain(*arguments)

    if form == "points":
        vars(generation)["decode"] = decode  # not an option of the library: it gains too little

    def clauses(text: str) -> Iterator[Any]:
        ids = [encode(piece.text, voice.tokenizer) for piece in split(text)]
        return (spoken.waveform for spoken in generation.speak_ids(voice.model, ids, precision=precision))

    return clauses, voice.model.config.sampling_rate


def _with_onnx(folder: Path, threads: int) -> Speaker:
    from kurdtts_lib.speech import stream
    from kurdtts_lib.voices.export.onnx_voice import OnnxVoice

    voice = OnnxVoice(folder, threads)
    return lambda text: (spoken.waveform for spoken in stream(voice, text, level=False)), voice.sampling_rate


def _with_sherpa(folder: Path, threads: int) -> Speaker:
    import sherpa_onnx

    from kurdtts_lib.text import normalize, split

    vits = sherpa_onnx.OfflineTtsVitsModelConfig(
        model=str(folder / "model.onnx"), tokens=str(folder / "tokens.txt"), lexicon=""
    )
    model = sherpa_onnx.OfflineTtsModelConfig(vits=vits, num_threads=threads)
    voice = sherpa_onnx.OfflineTts(sherpa_onnx.OfflineTtsConfig(model=model, silence_scale=1.0))

    def clauses(text: str) -> Iterator[Any]:
        return (voice.generate(normalize(piece.text).text).samples for piece in split(text))

    return clauses, voice.sample_rate


if __name__ == "__main__":
    main()
