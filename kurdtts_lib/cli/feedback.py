"""`kurdtts feedback`: manage corrections and train on them."""

import argparse
import dataclasses
import sys

from kurdtts_lib.core.errors import FeedbackError
from kurdtts_lib.core.training_settings import with_preset
from kurdtts_lib.feedback.database import Correction
from kurdtts_lib.feedback.job import only_training, reported
from kurdtts_lib.feedback.store import FeedbackStore

SHORT = 8
"""Digits of an id that are shown; any beginning of one is taken."""


def add(options: argparse.Namespace) -> None:
    facts = {name: getattr(options, name) for name in ("contributor", "consent", "voice", "mark")}
    correction = FeedbackStore().submit(options.audio, options.text, **facts)
    _print(correction)
    for warning in correction.checks:
        print(warning, file=sys.stderr)


def show(options: argparse.Namespace) -> None:
    corrections = [one for one in FeedbackStore().corrections() if options.state in (None, one.state)]
    _print(*corrections)
    print(f"{len(corrections)} corrections")


def _print(*corrections: Correction) -> None:
    for one in corrections:
        facts = "  ".join(filter(None, (one.contributor, one.mark and f"({one.mark})")))
        text = " ".join(one.text.split()) or "(no text)"
        print(f"{one.id[:SHORT]}  {one.state:9}  {one.seconds:5.1f} s  {text}  {facts}".rstrip())


def _id(store: FeedbackStore, start: str) -> str:
    """The whole id of the correction whose id begins so; what begins none is returned, and the store refuses it."""
    found = [one.id for one in store.corrections() if start and one.id.startswith(start)]
    if len(found) > 1:
        raise FeedbackError(f"{len(found)} corrections have an id that begins with {start}. Write more of it.")
    return found[0] if found else start


def accept(options: argparse.Namespace) -> None:
    store = FeedbackStore()
    _print(store.accept(_id(store, options.id)))


def train(options: argparse.Namespace) -> int:
    from kurdtts_lib.cli.train import run_to_end
    from kurdtts_lib.feedback.finetune import FeedbackTraining
    from kurdtts_lib.voices import registry
    from kurdtts_lib.voices.lineage import profile_of

    with reported(options.job) as report, only_training():
        profile = profile_of(registry.current(), options.profile, options.data_dir)
        training = with_preset(profile.training, options.preset) if options.preset else profile.training
        share = profile.feedback.base_share if options.base_share is None else options.base_share
        feedback = dataclasses.replace(profile.feedback, base_share=share)
        task = FeedbackTraining(dataclasses.replace(profile, training=training, feedback=feedback), FeedbackStore())
        for id, reason in task.left_out.items():
            print(f"{id[:SHORT]} is left out. {reason}")
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


def withdraw(options: argparse.Namespace) -> None:
    store = FeedbackStore()
    id = _id(store, options.id)
    voices = store.withdraw(id)
    print(f"{id[:SHORT]} is withdrawn; its sound and text are removed.")
    if voices:
        print(f"These voices were trained with it: {', '.join(voices)}. Train them again without it.")


def verify(_: argparse.Namespace) -> int:
    result = FeedbackStore().verify()
    for mended in result.mended:
        print(f"MENDED  {mended}")
    for left in result.left:
        print(f"FIX     {left}")
    print(f"{result.corrections} corrections, {result.sounds} sounds, {len(result.left)} problems left")
    return 0 if result.ok else 1


def export(options: argparse.Namespace) -> None:
    print(f"{FeedbackStore().export(options.folder)} corrections in {options.folder}")
