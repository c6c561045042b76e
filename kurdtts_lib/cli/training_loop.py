"""A training on the command line: a bar, and Ctrl-C that loses nothing."""

import contextlib
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator

from tqdm import tqdm

from kurdtts_lib.vits import optimised_ops
from kurdtts_lib.vits.log import Event, StepReport
from kurdtts_lib.vits.trainer import Trainer

STOPPING = [number for number in signal.Signals if number.name in ("SIGINT", "SIGTERM", "SIGBREAK")]
"""Windows has no SIGTERM from outside: Ctrl-Break reaches a training that another program started."""
Watch = Callable[[int, int, str], bool]
"""Hears each step and event (step, steps, text), and says whether to stop after this step."""


def run_to_end(trainer: Trainer, watch: Watch = lambda *_: False) -> bool:
    """Train until done; False, after telling what is kept, if the reader or `watch` stopped it.

    Only for a process that does nothing else: it keeps the memory that it once needed.
    """
    if trainer.process.device.type == "cpu":
        optimised_ops.keep_freed_memory()
    main_process = trainer.process.is_main_process  # of several, only one speaks
    try:
        done = _run_with_bar(trainer, watch, quiet=not main_process)
    except KeyboardInterrupt:  # the second one: the first lets the step end
        kept = trainer.folder / "checkpoints"
        print(f"Stopped in the middle of a step. The same command goes on from the last checkpoint in {kept}.")
        return False
    # Left open, its threads may abort a process at its end, and the launcher then stops the one that writes the voice.
    trainer.process.destroy_process_group()
    if not done and main_process:
        print(f"Stopped at step {trainer.step}; everything is saved. The same command goes on from here.")
    return done


def _run_with_bar(trainer: Trainer, watch: Watch, quiet: bool) -> bool:
    steps = trainer.settings.steps
    alone = trainer.process.num_processes == 1
    with stop_on_signals(alone) as stop, tqdm(total=steps, initial=trainer.step, unit=" steps", disable=quiet) as bar:

        def show(entry: StepReport) -> None:
            counts = {"skipped": trainer.progress.skipped} if trainer.progress.skipped else {}
            bar.set_postfix(mel=f"{entry.terms.get('mel', math.nan):.3f}", **counts, refresh=False)
            bar.update()
            if watch(entry.step, steps, ""):
                stop.set()
            if entry.skipped:
                bar.write(f"step {entry.step} skipped: {entry.skipped}")

        def tell(event: Event) -> None:
            bar.write(f"step {event.step} {event.kind}: {event.text}")
            if watch(event.step, steps, event.text):
                stop.set()

        return trainer.run(stop, show, tell)


@contextlib.contextmanager
def stop_on_signals(alone: bool) -> Iterator[threading.Event]:
    """Ctrl-C, Windows' Ctrl-Break and `kill` set the event: the training ends after a whole step, and saves it.

    A second one is no longer caught if this process is `alone`; a launcher of several passes each on a second time.
    """
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in STOPPING}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask_to_stop(*_: object) -> None:
        if stop.is_set():
            return
        stop.set()
        if alone:
            restore()
        # Not print: the signal may have come in the middle of one. Ctrl-C may have ended what reads it, too.
        with contextlib.suppress(OSError):
            os.write(2, b"\nStopping after this step. Again: stop at once, and lose the steps since the last save.\n")

    for number in before:
        signal.signal(number, ask_to_stop)
    try:
        yield stop
    finally:
        restore()
