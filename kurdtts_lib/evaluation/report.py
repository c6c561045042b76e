"""A judging as files: one page that needs nothing else to be read, and every number in JSON."""

import base64
import dataclasses
import datetime
import html
import json
import math
from pathlib import Path

import matplotlib
import numpy as np
import pandas
from matplotlib.figure import Figure

from kurdtts_lib import __version__
from kurdtts_lib.audio.io import wav_bytes
from kurdtts_lib.core.errors import JudgingError
from kurdtts_lib.core.files import read_json, write_text
from kurdtts_lib.data.report import STYLE, image
from kurdtts_lib.evaluation import confidence, plots
from kurdtts_lib.evaluation.evaluate import RECORDING, Judging
from kurdtts_lib.evaluation.metric_descriptions import MEANINGS, explained

PAGE, NUMBERS = "report.html", "figures.json"
PLAYERS = 3
"""Sentences that can be heard in the page; each sound adds some 60 kB."""
MACHINE_READ = "The recordings were read by a machine (espeak-ng): no person speaks in them."
OWN_WORDS = "No listener was asked: these are formulas and programs. None of them replaces people who listen."


def as_files(judging: Judging) -> dict[str, str]:
    """The texts of the two files, by name."""
    numbers = json.dumps(as_numbers(judging), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    return {NUMBERS: numbers, PAGE: page(judging)}


def write_report(judging: Judging, folder: Path) -> Path:
    """Write `report.html` and `figures.json` into `folder`; the path of the page.

    Raises JudgingError if `folder` holds a file of one of these names that is not a judging's.
    """
    numbers = folder / NUMBERS
    if numbers.is_file() != (folder / PAGE).is_file() or (numbers.is_file() and not _ours(numbers)):
        raise JudgingError(f"{folder} holds another {PAGE} or {NUMBERS}, which would be replaced. Choose a new folder.")
    for name, text in as_files(judging).items():
        write_text(folder / name, text)
    return folder / PAGE


def _ours(path: Path) -> bool:
    try:
        return "kurdtts" in read_json(path)
    except (ValueError, TypeError):
        return False


def as_numbers(judging: Judging) -> dict:
    """Everything that the page says, as plain values; None where a figure is not defined."""
    held_out = judging.held_out
    tables = judging.values.items()
    return {
        "kurdtts": __version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "data": held_out.data,
        "machine_read": held_out.machine_read,
        "sentences": len(held_out.texts),
        "test_sentences": held_out.of,
        "interval": {"level": confidence.LEVEL, "method": "BCa bootstrap over sentences", "seed": confidence.SEED},
        "voices": judging.voices,
        "figures": {voice: _plain(found) for voice, found in judging.estimates.items()},
        "differences_to": judging.voices[0],
        "differences": {voice: _plain(found) for voice, found in judging.differences.items()},
        "likeness_baselines": dataclasses.asdict(held_out.baselines),
        "left_out": judging.left_out,
        "remarks": judging.remarks,
        "meanings": {name: dataclasses.asdict(MEANINGS[name]) for name in judging.names},
        "texts": held_out.texts,
        "each_sentence": {
            voice: {str(name): [_number(value) for value in table[name]] for name in table} for voice, table in tables
        },
    }


def _plain(found: dict[str, confidence.Estimate]) -> dict:
    return {name: dataclasses.asdict(value) for name, value in found.items()}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def page(judging: Judging) -> str:
    """The page as HTML."""
    held_out = judging.held_out
    names = ", ".join(judging.voices)
    remarks = [MACHINE_READ] if held_out.machine_read else []
    with matplotlib.rc_context(rc=matplotlib.rcParamsDefault):  # not the reader's own style
        pictures = "".join(image(figure, str(figure.get_suptitle())) for figure in figures(judging))
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(names)}, judged</title><style>{STYLE}
figure {{ display: inline-block; margin: 0 1em 0.5em 0 }}</style></head><body>
<h1>{html.escape(names)}, judged</h1>
<p>Measured on {held_out.size} test sentence(s) of {html.escape(held_out.data)}, from which no voice learned.
Mean (95 % interval, bootstrap over the sentences), n = {len(held_out.texts)} if nothing else is said. {OWN_WORDS}</p>
{_paragraphs([*remarks, *judging.remarks])}
{judging.table().to_html(border=0)}
<p>{html.escape(baselines(judging))}</p>
{_paragraphs(verdicts(judging))}
<h2>Pictures</h2>
{pictures}
<h2>Listen</h2>
{_players(judging)}
<h2>What each figure hears, and what it is deaf to</h2>
{explained(judging.names).reset_index().to_html(border=0, index=False)}
<h2>What is not here</h2>
{_paragraphs(missing(judging)) or "<p>Everything could be worked out.</p>"}
<p>kurdtts {__version__}. Every number, also of each sentence: <code>{NUMBERS}</code></p>
</body></html>
"""


def as_text(judging: Judging) -> str:
    """Every figure of every voice for a console; a star where the difference to the first voice leaves out 0."""
    width = max(map(len, judging.values))
    lines, first = [], judging.voices[0]
    for name in judging.names:
        lines.append(f"{MEANINGS[name].title} ({MEANINGS[name].best})")
        for voice, found in judging.estimates.items():
            if name not in found:
                continue
            gap = judging.differences.get(voice, {}).get(name)
            told = f"{found[name]}" if gap is None else f"{found[name]!s:26}  difference {gap}{' *' * gap.differs}"
            lines.append(f"  {voice:{width}}  {told}")
    lines += [
        "",
        f"Means over {judging.held_out.size} test sentences, in brackets the 95 % interval.",
        *([f"* The interval of the difference to {first} leaves out 0."] if judging.differences else []),
        baselines(judging),
        *missing(judging),
    ]
    return "\n".join(lines)


def baselines(judging: Judging) -> str:
    """What the speaker distance must be compared with, in a sentence."""
    found = judging.held_out.baselines
    nearest = "there is no other speaker" if found.other_voices is None else f"{found.other_voices:.2f}"
    return (
        f"Speaker distance of real speech: the speaker's own recordings {found.same_voice:.2f}, the nearest other "
        f"speaker of the corpus {nearest}."
    )


def verdicts(judging: Judging) -> list[str]:
    """For each voice but the first: which figures differ, as far as the intervals tell."""
    lines = []
    for voice, found in judging.differences.items():
        titles = [f"{MEANINGS[name].title} {value}" for name, value in found.items() if value.differs]
        told = "; ".join(titles) if titles else "none"
        lines.append(
            f"{voice} minus {judging.voices[0]}, where the interval leaves out 0 (by chance alone that happens to one "
            f"figure in twenty): {told}."
        )
    return lines


def missing(judging: Judging) -> list[str]:
    """What was left out and why, and what is not defined for some sentences."""
    lines = [f"{MEANINGS[name].title}: {reason}" for name, reason in judging.left_out.items()]
    return lines + [
        f"{voice}: {MEANINGS[name].title} is not defined for {number} of {len(judging.held_out.texts)} sentences "
        "(nothing is voiced, or no speech is found)."
        for voice, name, number in judging.undefined()
    ]


def figures(judging: Judging) -> list[Figure]:
    """The figures of each voice and, where there are several voices, the differences to the first."""
    drawn = [plots.intervals(_panels(judging, judging.values, judging.estimates), "Each voice and the recordings")]
    if judging.differences:
        drawn.append(differences_plot(judging))
    return drawn


def differences_plot(judging: Judging) -> Figure:
    """The difference of each voice to the first one, sentence by sentence."""
    first = judging.values[judging.voices[0]]
    values = {voice: judging.values[voice] - first for voice in judging.differences}
    return plots.intervals(
        _panels(judging, values, judging.differences), f"Difference to {judging.voices[0]}, sentence by sentence", True
    )


def _panels(
    judging: Judging, values: dict[str, pandas.DataFrame], found: dict[str, dict[str, confidence.Estimate]]
) -> dict[str, dict[str, plots.Interval]]:
    panels: dict[str, dict[str, plots.Interval]] = {}
    for name in judging.names:
        for voice, known in found.items():
            if name in known and (mean := known[name].mean) is not None:
                low, high = known[name].low, known[name].high
                ends = (mean, mean) if low is None or high is None else (low, high)
                points = values[voice][name].to_numpy(dtype=np.float64)
                panels.setdefault(MEANINGS[name].title, {})[voice] = (points, mean, *ends)
    return panels


def _players(judging: Judging) -> str:
    rate = judging.held_out.reference.audio.sampling_rate
    rows = []
    for number, text in enumerate(judging.held_out.texts[:PLAYERS]):
        cells = "".join(
            f"<figure><figcaption>{html.escape(label(judging, name))}</figcaption>"
            f'<audio controls src="data:audio/wav;base64,{_encoded(sounds[number], rate)}"></audio></figure>'
            for name, sounds in judging.sounds.items()
        )
        rows.append(f'<h3 lang="kmr">{html.escape(text)}</h3><div>{cells}</div>')
    return "".join(rows)


def label(judging: Judging, name: str) -> str:
    """A voice's name over its player; a recording says whether a machine read it."""
    return f"{name} (machine-read)" if name == RECORDING and judging.held_out.machine_read else name


def _encoded(waveform: np.ndarray, rate: int) -> str:
    return base64.b64encode(wav_bytes(waveform, rate)).decode("ascii")


def _paragraphs(lines: list[str]) -> str:
    return "".join(f"<p>{html.escape(line)}</p>\n" for line in lines)
