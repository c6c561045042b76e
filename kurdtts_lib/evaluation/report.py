"""The report of an evaluation: a self-contained HTML page, and all values as JSON."""

import base64
import datetime
import json
from pathlib import Path

import numpy as np

from kurdtts_lib import __version__
from kurdtts_lib.audio.io import wav_bytes
from kurdtts_lib.core.cards import render
from kurdtts_lib.core.errors import EvaluationError
from kurdtts_lib.core.files import write_text
from kurdtts_lib.data.plots import image
from kurdtts_lib.evaluation import confidence, plots
from kurdtts_lib.evaluation.evaluate import RECORDING, Evaluation
from kurdtts_lib.evaluation.metrics import METRIC_DESCRIPTIONS, metric_table

PAGE, VALUES = "report.html", "figures.json"
PLAYERS = 3
"""Sentences with audio players in the page; each recording adds about 60 kB."""


def as_files(evaluation: Evaluation) -> dict[str, str]:
    """The content of the two files, by file name. In JSON null stands where a metric is not defined."""
    held_out = evaluation.held_out
    values = {
        "kurdtts": __version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "data": held_out.data,
        "machine_read": held_out.machine_read,
        "sentences": len(held_out.texts),
        "test_sentences": held_out.of,
        "interval": {"level": confidence.LEVEL, "method": "BCa bootstrap over sentences", "seed": confidence.SEED},
        "voices": evaluation.voices,
        "figures": evaluation.estimates,
        "differences_to": evaluation.voices[0],
        "differences": evaluation.differences,
        "likeness_baselines": held_out.baselines,
        "left_out": evaluation.left_out,
        "meanings": {name: METRIC_DESCRIPTIONS[name] for name in evaluation.names},
        "texts": held_out.texts,
        "each_sentence": {
            voice: table.astype(object).where(np.isfinite(table), None).to_dict("list")
            for voice, table in evaluation.values.items()
        },
    }
    text = json.dumps(values, ensure_ascii=False, indent=2, allow_nan=False, default=vars) + "\n"
    return {VALUES: text, PAGE: page(evaluation)}


def write_report(evaluation: Evaluation, folder: Path) -> Path:
    """Write `report.html` and `figures.json` into `folder`; return the path of the page.

    Raises EvaluationError if `folder` has a file of one of these names that is not from an evaluation.
    """
    page_path, values = folder / PAGE, folder / VALUES
    ours = values.is_file() and b'"kurdtts":' in values.read_bytes()
    if not ours and (values.is_file() or page_path.is_file()):
        raise EvaluationError(
            f"{folder} holds another {PAGE} or {VALUES}, which would be replaced. Choose a new folder."
        )
    for name, text in as_files(evaluation).items():
        write_text(folder / name, text)
    return page_path


def page(evaluation: Evaluation) -> str:
    """The page as HTML."""
    picture = image(plots.differences(evaluation), "Differences of each sentence") if evaluation.differences else ""
    return render(
        "evaluation/report.html",
        title=f"{', '.join(evaluation.voices)}, judged",
        evaluation=evaluation,
        held_out=evaluation.held_out,
        baselines=baselines(evaluation),
        chance=chance(evaluation) if evaluation.differences else "",
        picture=picture,
        sentences=[(text, _players(evaluation, n)) for n, text in enumerate(evaluation.held_out.texts[:PLAYERS])],
        meanings=metric_table(evaluation.names).reset_index(),
        missing=missing(evaluation),
        version=__version__,
        values_file=VALUES,
    )


def as_text(evaluation: Evaluation) -> str:
    """`Evaluation.table` and its explanations for the console; columns that find no place stand below the others."""
    lines = [
        evaluation.table().to_string(line_width=120),
        "",
        f"Means over {evaluation.held_out.size} test sentences, in brackets the 95 % interval.",
        *([chance(evaluation)] if evaluation.differences else []),
        baselines(evaluation),
        *missing(evaluation),
    ]
    return "\n".join(lines)


def chance(evaluation: Evaluation) -> str:
    """What several comparisons at once mean, as a sentence."""
    compared = sum(map(len, evaluation.differences.values()))
    return (
        f"Better or worse than {evaluation.voices[0]}: the interval leaves out 0. By chance alone that happens to one "
        f"figure in twenty; here {compared} are compared."
    )


def baselines(evaluation: Evaluation) -> str:
    """The baselines of the speaker distance, as a sentence."""
    found = evaluation.held_out.baselines
    nearest = "there is no other speaker" if found.other_voices is None else f"{found.other_voices:.2f}"
    return (
        f"Speaker distance of real speech: the speaker's own recordings {found.same_voice:.2f}, the nearest other "
        f"speaker of the corpus {nearest}."
    )


def missing(evaluation: Evaluation) -> list[str]:
    """Metrics that were left out, with the reason, and those that are not defined for some sentences."""
    lines = [f"{METRIC_DESCRIPTIONS[name].title}: {reason}" for name, reason in evaluation.left_out.items()]
    sentences = len(evaluation.held_out.texts)
    return lines + [
        f"{voice}: {METRIC_DESCRIPTIONS[name].title} is not defined for {sentences - value.n} of {sentences} sentences "
        "(nothing is voiced, or no speech is found)."
        for voice, found in evaluation.estimates.items()
        for name, value in found.items()
        if value.n < sentences
    ]


def _players(evaluation: Evaluation, sentence: int) -> dict[str, str]:
    """WAV files in base64, by caption."""
    rate = evaluation.held_out.reference.audio.sampling_rate
    return {
        label(evaluation, name): base64.b64encode(wav_bytes(waveforms[sentence], rate)).decode("ascii")
        for name, waveforms in evaluation.waveforms.items()
    }


def label(evaluation: Evaluation, name: str) -> str:
    """The caption of a player: the voice's name, or for recordings also whether they are synthetic speech."""
    return f"{name} (machine-read)" if name == RECORDING and evaluation.held_out.machine_read else name
