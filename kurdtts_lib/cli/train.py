"""`kurdtts prepare` and `train`: with a progress bar, and a Ctrl-C that loses nothing."""

import argparse
import contextlib
import dataclasses
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator

from tqdm import tqdm

from kurdtts_lib.cli.setting_arguments import changed
from kurdtts_lib.core.progress import pass_bar
from kurdtts_lib.core.settings import Profile, load_profile
from kurdtts_lib.core.training_settings import TrainingSettings, with_preset
from kurdtts_lib.data.filtering import reasons_table
from kurdtts_lib.data.prepare import prepare
from kurdtts_lib.data.training_set import clips_of
from kurdtts_lib.evaluation.report import as_text
from kurdtts_lib.vits import optimised_ops
from kurdtts_lib.vits.log import Event, StepReport
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.voices import registry
from kurdtts_lib.voices.finetune import finish_training, prepare_training

STOPPING = [number for number in signal.Signals if number.name in ("SIGINT", "SIGTERM", "SIGBREAK")]
"""On Windows no SIGTERM arrives from outside: Ctrl-Break (SIGBREAK) stops a training that another program started."""
Watch = Callable[[int, int, str], bool]
"""Called at each step and event with (step, steps, text); returns whether to stop after this step."""


def prepare_data(options: argparse.Namespace) -> None:
    profile = load_profile(options.profile)
    named = {name: getattr(options, name) for name in ("source", "speaker", "max_samples")}
    given = {name: value for name, value in named.items() if value is not None} | dict(options.set)
    corpus = changed(profile.corpus, given)
    with pass_bar("clips") as show:
        result = prepare(corpus, profile.audio, options.output_dir or profile.prepared_dir, show)
    for reason, row in reasons_table(result.clips).iterrows():
        print(f"{row['clips']:7d}  {reason:36} {row['why']}")
    minutes, names = result.kept["seconds"].sum() / 60, ", ".join(result.speakers[:5])
    more = f" and {len(result.speakers) - 5} more" if len(result.speakers) > 5 else ""
    print(f"{minutes:.1f} minutes of {names}{more} in {result.folder}")
    print(f"Pictures: {result.folder / 'report.html'}")


def train(options: argparse.Namespace) -> int:
    profile = load_profile(options.profile)
    profile = dataclasses.replace(
        profile,
        name=options.name or profile.name,
        base_voice=registry.folder_of(options.base_voice) if options.base_voice is not None else profile.base_voice,
        data_dir=options.data_dir or profile.prepared_dir,
    )
    profile = dataclasses.replace(profile, training=training_settings(options, profile))
    trainer = prepare_training(profile)
    main_process = trainer.process.is_main_process  # of several, only one evaluates and writes
    done = run_to_end(trainer)
    if not main_process:
        return 0
    if not done:
        return 130
    result = finish_training(trainer, profile)
    print(f"Voice: {result.entry.folder}")
    for fault in result.entry.faults:
        print(f"It did not become the current voice. {fault}")
    print(as_text(result.evaluation))
    return 0


def training_settings(options: argparse.Namespace, profile: Profile) -> TrainingSettings:
    """The profile's training settings, changed by the options."""
    training = with_preset(profile.training, options.preset) if options.preset else profile.training
    length = {"steps": options.steps} if options.steps else {}
    training = changed(training, length | dict(options.set))
    if not options.epochs:
        return training
    steps_per_epoch = math.ceil(len(clips_of(profile).train) / training.batch_size)
    return dataclasses.replace(training, steps=options.epochs * steps_per_epoch)


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

    before = {number: signal.signal(number, ask_to_stop) for number in STOPPING}
    try:
        yield stop
    finally:
        restore()
