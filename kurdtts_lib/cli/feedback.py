"""`kurdtts feedback`: manage corrections and train on them."""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kurdtts_lib.core.training_settings import PRESETS, with_preset

if TYPE_CHECKING:
    from kurdtts_lib.feedback.database import Correction
    from kurdtts_lib.feedback.job import JobReport

# The store loads the checks of recordings, which takes seconds; each command imports it, so that --help is quick.


def add_feedback(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `feedback` and its own commands to the parser of `kurdtts`."""
    feedback = commands.add_parser("feedback", help="corrections: what a voice said wrong, said right")
    actions = feedback.add_subparsers(dest="action", required=True)

    add = actions.add_parser("add", help="submit a recording of how it is said right")
    add.add_argument("--audio", type=Path, required=True, help="a WAV, FLAC, MP3 or OGG file, 60 s at most")
    add.add_argument("--text", required=True, help="what is said in it")
    add.add_argument("--voice", default="", help="the voice that said it wrong")
    add.add_argument("--mark", default="", help="what was wrong")
    _add_source(add)
    add.set_defaults(run=_add)

    show = actions.add_parser("list", help="show the corrections, the oldest first")
    show.add_argument("--state", choices=("submitted", "accepted", "used", "withdrawn"))
    show.set_defaults(run=_list)

    accept = actions.add_parser("accept", help="let voices learn from a correction")
    accept.add_argument("id")
    accept.set_defaults(run=_accept)

    train = actions.add_parser("train", help="teach the current voice its accepted corrections; again to go on")
    train.add_argument("--profile", help="sample, full, or the folder of a corpus; default: the current voice's own")
    train.add_argument("--data-dir", type=Path, help="ordinary recordings: prepared data; default: the voice's own")
    train.add_argument("--preset", choices=tuple(PRESETS), help="how this machine computes; full: gpu-8gb")
    train.add_argument("--base-share", type=_share, help="share of ordinary recordings in what the voice hears")
    train.add_argument(
        "--job",
        type=Path,
        metavar="FOLDER",
        help="for a program that starts this: progress.json and result.json go there, and a file `stop` there ends it",
    )
    train.set_defaults(run=_train)

    withdraw = actions.add_parser("withdraw", help="remove a correction's sound and text")
    withdraw.add_argument("id")
    withdraw.add_argument("--why", default="", help="kept in its history")
    withdraw.set_defaults(run=_withdraw)

    verify = actions.add_parser("verify", help="find and mend what does not belong together")
    verify.set_defaults(run=_verify)

    export = actions.add_parser("export", help="write all corrections as WAV, TXT and metadata.csv")
    export.add_argument("folder", type=Path, help="a new or empty folder")
    export.set_defaults(run=_export)

    imports = actions.add_parser("import", help="submit a folder of sounds with TXT files or a metadata.csv")
    imports.add_argument("folder", type=Path)
    _add_source(imports)
    imports.set_defaults(run=_import)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 up to (not with) 1")
    return share


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--contributor", default="", help="who speaks")
    parser.add_argument(
        "--consent", action="store_true", help="the speaker agrees that voices learn from the recording; needed"
    )


def _add(options: argparse.Namespace) -> int:
    from kurdtts_lib.feedback.store import FeedbackStore

    correction = FeedbackStore().submit(
        options.audio,
        options.text,
        contributor=options.contributor,
        consent=options.consent,
        voice=options.voice,
        mark=options.mark,
    )
    print(_line(correction))
    for warning in correction.checks:
        print(warning, file=sys.stderr)
    return 0


def _list(options: argparse.Namespace) -> int:
    from kurdtts_lib.feedback.store import FeedbackStore

    corrections = FeedbackStore().corrections(options.state)
    for correction in corrections:
        print(_line(correction))
    print(f"{len(corrections)} corrections")
    return 0


def _line(correction: "Correction") -> str:
    text = " ".join(correction.text.split()) or "(no text)"
    return f"{correction.id}  {correction.state:9}  {correction.seconds:5.1f} s  {text}"


def _accept(options: argparse.Namespace) -> int:
    from kurdtts_lib.feedback.store import FeedbackStore

    print(_line(FeedbackStore().accept(options.id)))
    return 0


def _train(options: argparse.Namespace) -> int:
    from kurdtts_lib.feedback.job import reported

    with reported(options.job) as report:
        return _train_reported(options, report)


def _train_reported(options: argparse.Namespace, report: "JobReport") -> int:
    from kurdtts_lib.cli.training_bar import run_to_end
    from kurdtts_lib.feedback.finetune import FeedbackTraining
    from kurdtts_lib.feedback.job import only_training
    from kurdtts_lib.feedback.store import FeedbackStore
    from kurdtts_lib.voices import registry
    from kurdtts_lib.voices.lineage import profile_of

    profile = profile_of(registry.current(), options.profile, options.data_dir)
    training = with_preset(profile.training, options.preset) if options.preset else profile.training
    feedback = profile.feedback
    if options.base_share is not None:
        feedback = dataclasses.replace(feedback, base_share=options.base_share)
    with only_training():
        profile = dataclasses.replace(profile, training=training, feedback=feedback)
        task = FeedbackTraining(profile, FeedbackStore())
        for id, reason in task.left_out.items():
            print(f"{id} is left out. {reason}")
        if not run_to_end(task.trainer, report.step):
            report.end("failed", "Stopped as asked; its checkpoint is kept. The next training goes on from there.")
            return 130
        result = task.finish()
    report.end("done", result.message, result.voice_facts(task.left_out))
    line = "{name:10} {sentences:3d} sentences {before:.2f} -> {after:.2f}"
    for name, change in result.changes.items():
        if change:
            print(line.format(name=name.replace("_", " "), **change))
    print(result.message)
    return 0


def _withdraw(options: argparse.Namespace) -> int:
    from kurdtts_lib.feedback.store import FeedbackStore

    voices = FeedbackStore().withdraw(options.id, options.why)
    print(f"{options.id} is withdrawn; its sound and text are removed.")
    if voices:
        print(f"These voices were trained with it: {', '.join(voices)}. Train them again without it.")
    return 0


def _verify(_: argparse.Namespace) -> int:
    from kurdtts_lib.feedback.store import FeedbackStore

    result = FeedbackStore().verify()
    for mended in result.mended:
        print(f"MENDED  {mended}")
    for left in result.left:
        print(f"FIX     {left}")
    print(f"{result.corrections} corrections, {result.sounds} sounds, {len(result.left)} problems left")
    return 0 if result.ok else 1


def _export(options: argparse.Namespace) -> int:
    from kurdtts_lib.feedback.store import FeedbackStore

    count = FeedbackStore().export(options.folder)
    print(f"{count} corrections in {options.folder}")
    return 0


def _import(options: argparse.Namespace) -> int:
    from kurdtts_lib.feedback.store import FeedbackStore

    imported = FeedbackStore().import_folder(options.folder, contributor=options.contributor, consent=options.consent)
    for correction in imported:
        print(_line(correction))
    for name, reason in imported.refused.items():
        print(f"{name}: {reason}", file=sys.stderr)
    print(f"{len(imported)} taken, {len(imported.refused)} refused")
    return 1 if imported.refused else 0
