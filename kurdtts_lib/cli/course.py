"""Run all notebooks top to bottom and keep their results: `python start.py` calls this.

Everything of one run (prepared data, voice, executed notebooks as .ipynb and .html) is stored in `runs/<date-time>/`,
so that no run overwrites another's.
"""

import argparse
import datetime
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert import HTMLExporter
from tqdm import tqdm

from kurdtts_lib.cli.app import utf8_console
from kurdtts_lib.core.files import write_text
from kurdtts_lib.core.settings import REPOSITORY

CELL_TIMEOUT_SECONDS = 4 * 3600
SHOWN: tuple[str, ...] = ("words_margin", "words_first", "near_misses", "mel_cepstral_distance", "mel_distance")
SHOWN += ("speaker_distance", "pitch", "pitch_error", "voicing_error")


def run_notebook(source: Path, target: Path) -> None:
    """Execute `source` cell by cell and write `target` as .ipynb and .html, also when a cell fails.

    Raises CellExecutionError with the failing cell's traceback, or DeadKernelError.
    """
    notebook: Any = nbformat.read(source, as_version=4)
    cells, started = sum(cell.cell_type == "code" for cell in notebook.cells), time.monotonic()
    bar = tqdm(total=cells, desc=f"  {source.stem}", unit=" cells", leave=False, disable=not sys.stdout.isatty())
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_SECONDS,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # its warnings are for servers and confuse readers
        on_cell_executed=lambda **_: bar.update(),
        store_widget_state=False,  # without a kernel a widget does not work: static HTML replaces it
        resources={"metadata": {"path": str(source.parent)}},
    )
    try:
        client.execute()
    finally:
        bar.close()
        write_text(target.with_suffix(".ipynb"), nbformat.writes(notebook))
        html, _ = HTMLExporter().from_notebook_node(notebook)
        write_text(target.with_suffix(".html"), html)
    print(f"  {source.stem}  {cells} cells in {time.monotonic() - started:.0f} s", flush=True)


def run_course(folder: Path) -> int:
    """Run every notebook with `folder` as its home. Returns 0 if all cells passed, else 1."""
    os.environ["KURDTTS_HOME"] = str(folder)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # a debugger's warning that confuses readers
    notebooks = sorted((REPOSITORY / "notebooks").glob("[0-9]*.ipynb"))
    print(f"The course: {len(notebooks)} notebooks on the bundled sample. Results go to {folder}", flush=True)
    for source in notebooks:
        try:
            run_notebook(source, folder / source.name)
        except (CellExecutionError, DeadKernelError) as error:
            print(f"\n{source.name} stopped:\n{str(error)[-1500:]}")
            print(f"The notebook up to this point: {(folder / source.name).with_suffix('.html')}")
            return 1
    print(summary(folder))
    return 0


def summary(folder: Path) -> str:
    """The run's results, from the cards of the fine-tuned voice and of the newest one trained on corrections."""
    from kurdtts_lib.core.cards import render  # slow imports: the first notebook is not to wait for them
    from kurdtts_lib.evaluation.confidence import shown
    from kurdtts_lib.evaluation.metrics import METRIC_DESCRIPTIONS
    from kurdtts_lib.voices import registry

    voices = registry.voices()
    voice = next(one for one in voices if one.card.likeness_baselines)
    return render(
        "cli/summary.txt",
        folder=folder,
        voice=voice,
        card=voice.card,
        corrected=[one for one in voices if one.card.held_out and one.card.elsewhere],
        metrics=[(METRIC_DESCRIPTIONS[name].title, name) for name in SHOWN],
        shown=shown,
    )


def interruptible(work: Callable[[], int]) -> int:
    """Run `work` in a thread and return its result, or 130 after Ctrl-C.

    In the main thread nbclient installs its own handler for Ctrl-C and shows one of several tracebacks. When this
    process ends, the notebook's kernel notices and ends as well.
    """
    outcome: list[int] = []
    worker = threading.Thread(target=lambda: outcome.append(work()), daemon=True)
    try:
        worker.start()
        while worker.is_alive():
            worker.join(0.5)
    except KeyboardInterrupt:
        print("\nStopped. What was finished lies in the run's folder; `python start.py` begins a new run.")
        return 130
    return outcome[0] if outcome else 1  # an unexpected error was printed by the thread


def main(arguments: Sequence[str] | None = None) -> int:
    argparse.ArgumentParser(description="Run every notebook of the course on the bundled sample.").parse_args(arguments)
    utf8_console()
    stamp = datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
    return interruptible(lambda: run_course(REPOSITORY / "runs" / stamp))


if __name__ == "__main__":
    raise SystemExit(main())
