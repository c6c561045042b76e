"""The README of an exported voice: how to speak with it, its licence, and the results of its verification."""

from collections.abc import Sequence
from typing import Any

from kurdtts_lib.core.cards import front_matter, licence_id, table

SPEAK_ONNX = """With the package `kurdtts`, without torch: `kurdtts say "Roj baş!" -o speech.wav --voice FOLDER`, or

```python
from pathlib import Path

from kurdtts_lib.audio.io import write_wav
from kurdtts_lib.voices.export.onnx_voice import OnnxVoice

voice = OnnxVoice("this folder")
write_wav(Path("speech.wav"), voice.speak("Roj baş!"), voice.sampling_rate)
```

Numbers, dates and abbreviations are read as words. The same seed gives the same samples: `voice.speak(text, seed=2)`.

In another language, run `model.onnx` with the inputs

- `input_ids` (1, positions): 0, then for each letter its number in `vocab.json` and 0 again;
- `speed` and `variation`, single numbers; 1 is the voice's own;
- `duration_noise` (1, 2, positions) and `noise` (1, {flow_size}, any length): standard normal random numbers.

It gives the `waveform` (samples) and the `durations` in frames (positions)."""

SPEAK_SHERPA = """With the package `sherpa-onnx`, and likewise in the apps and languages that it is made for:

```python
import sherpa_onnx

vits = sherpa_onnx.OfflineTtsVitsModelConfig(model="model.onnx", tokens="tokens.txt", lexicon="")
model = sherpa_onnx.OfflineTtsModelConfig(vits=vits)
voice = sherpa_onnx.OfflineTts(sherpa_onnx.OfflineTtsConfig(model=model))
speech = voice.generate("roj baş")
speech.samples, speech.sample_rate
```

sherpa-onnx knows the voice's letters, space and apostrophe and **leaves out everything else**: numbers, marks, other
letters. It makes no pauses. Give it one sentence at a time with everything written as words:

```python
from kurdtts_lib.text import normalize

normalize("Di 2024an de").text
```

Its own values for noise (0.667, 0.8) and length (1) give the voice's own noise and pace."""


def readme(card: dict[str, Any], warnings: Sequence[str]) -> str:
    """The README.md of an exported voice. card: its `export.json`."""
    sherpa = card["form"] == "sherpa"
    head = front_matter(
        language="kmr",
        license=licence_id(card["licence"]),
        library_name="sherpa-onnx" if sherpa else "onnx",
        pipeline_tag="text-to-speech",
    )
    speak = SPEAK_SHERPA if sherpa else SPEAK_ONNX.replace("{flow_size}", str(card["flow_size"]))
    warning_lines = "".join(f"\n**{warning}**\n" for warning in warnings)
    return f"""{head}
# {card["voice"]}, {card["form"]}

A Kurmanji voice of {card["sampling_rate"]} Hz, exported from `{card["voice"]}` on {card["date"]} with kurdtts
{card["kurdtts"]}. What it says is read by a machine: say so where you publish it.

- Licence: {card["licence"]} (inherited from the voice)
- Size of the model: {card["bytes"] / 1e6:.1f} MB
{warning_lines}
## Speak

{speak}

## Checked

{table(("figure", "value"), _results(card))}

Checked on {card["machine"]}, with {", ".join(f"{name} {number}" for name, number in card["packages"].items())}.
"""


def _results(card: dict[str, Any]) -> list[tuple[str, object]]:
    agreement = card["agreement"]
    rows: list[tuple[str, object]] = [
        ("sentences spoken by torch and by the float32 graph with the same noise", agreement["sentences"]),
        ("least ratio of speech to difference, dB", agreement["least_snr_db"]),
        ("durations that rounding moved by a frame, in sentences", agreement["at_a_border"]),
    ]
    if loss := card.get("loss"):
        rows += [
            ("8 bits against float32: ratio of speech to difference, dB", f"{loss['snr_db']:.1f}"),
            ("8 bits against float32: mel distance, nepers", f"{loss['mel_distance']:.3f}"),
            ("8 bits against float32: mel cepstral distance, dB", f"{loss['mel_cepstral_distance']:.2f}"),
            (
                "for comparison: two readings of a sentence in float32, mel cepstral distance, dB",
                f"{loss['readings_mel_cepstral_distance']:.2f}",
            ),
            ("8 bits against float32: time on one core", f"{loss['time_ratio']:.2f}"),
            ("8 bits against float32: size", f"{card['bytes'] / card['float_bytes']:.2f}"),
        ]
    if card["form"] == "sherpa":
        proof = card["sherpa_onnx"]
        rows += [
            ("sentences spoken by sherpa-onnx", f"{proof['sentences']}, version {proof['version']}"),
            ("sherpa-onnx: least ratio of speech to difference, dB", proof["least_snr_db"]),
        ]
    return rows
