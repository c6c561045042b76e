"""A training on the command line: a progress bar, and Ctrl-C that loses nothing."""

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
"""On Windows no SIGTERM arrives from outside: Ctrl-Break (SIGBREAK) stops a training that another program started."""
Watch = Callable[[int, int, str], bool]
"""Called at each step and event with (step, steps, text); returns whether to stop after this step."""


def run_to_end(trainer: Trainer, watch: Watch = lambda *_: False) -> bool:
    """Train until done; False, after printing what was saved, if the user or `watch` stopped it.

    Only for a process that does nothing else: on a CPU it does not return freed memory to the system.
    """
    if trainer.process.device.type == "cpu":
        optimised_ops.keep_freed_memory()
    main_process = trainer.process.is_main_process  # of several, only one prints
    try:
        done = _run_with_bar(trainer, watch, quiet=not main_process)
    except KeyboardInterrupt:  # the second Ctrl-C: the first one lets the step end
        kept = trainer.folder / "checkpoints"
        print(f"Stopped in the middle of a step. The same command goes on from the last checkpoint in {kept}.")
        return False
    # If left open, its threads may abort a process on exit, and the launcher then stops the one that writes the voice.
    trainer.process.destroy_process_group()
    if not done and main_process:
        print(f"Stopped at step {trainer.step}; everything is saved. The same command goes on from here.")
    return done


def _run_with_bar(trainer: Trainer, watch: Watch, quiet: bool) -> bool:
    steps = trainer.settings.steps
    alone = trainer.process.num_processes == 1
    with stop_on_signals(alone) as stop, tqdm(total=steps, initial=trainer.step, unit=" steps", disable=quiet) as bar:

        def show_step(entry: StepReport) -> None:
            counts = {"skipped": trainer.progress.skipped} if trainer.progress.skipped else {}
            bar.set_postfix(mel=f"{entry.terms.get('mel', math.nan):.3f}", **counts, refresh=False)
            bar.update()
            if watch(entry.step, steps, ""):
                stop.set()
            if entry.skipped:
                bar.write(f"step {entry.step} skipped: {entry.skipped}")

        def show_event(event: Event) -> None:
            bar.write(f"step {event.step} {event.kind}: {event.text}")
            if watch(event.step, steps, event.text):
                stop.set()

        return trainer.run(stop, show_step, show_event)


@contextlib.contextmanager
def stop_on_signals(alone: bool) -> Iterator[threading.Event]:
    """Ctrl-C, Windows' Ctrl-Break and `kill` set the event: the training ends after the current step, and saves it.

    A second signal is not caught if this process is `alone`; a launcher of several processes sends each one twice.
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
        # Not print: the signal may have interrupted one. Ctrl-C may also have ended the program that reads the output.
        with contextlib.suppress(OSError):
            os.write(2, b"\nStopping after this step. Again: stop at once, and lose the steps since the last save.\n")

    for number in before:
        signal.signal(number, ask_to_stop)
    try:
        yield stop
    finally:
        restore()
