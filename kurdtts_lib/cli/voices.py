"""`kurdtts voices`, `judge` and `export`: what is done with voices that are there."""

import argparse

from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.progress import pass_bar
from kurdtts_lib.core.settings import home
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.voices import registry
from kurdtts_lib.voices.card import opinion_sentence
from kurdtts_lib.voices.lineage import common_profile, profile_of
from kurdtts_lib.voices.registry import RegisteredVoice


def show(_: argparse.Namespace) -> None:
    found = registry.voices()
    if not found:
        print("There is no voice yet. Train one: notebook 4, or `kurdtts train`.")
        return
    tainted = FeedbackStore().tainted_voices()
    for entry in found:
        card = entry.card
        parent = f"from {card.parent or card.base_voice or '?'}"
        facts = f"{card.date or '':10}  {_megabytes(entry):7.1f} MB  {entry.name}  {parent}"
        print(f"{'*' if entry.current else ' '} {entry.version:4d}  {facts}")
        if card.speakers:
            print(f"        speakers: {', '.join(card.speakers)}")
        if card.opinion:
            print(f"        {opinion_sentence(card.opinion)}")
        for fault in entry.faults:
            print(f"        does not become current by itself: {fault}")
        if withdrawn := tainted.get(entry.folder.name):
            print(f"        learned from {len(withdrawn)} correction(s) that were withdrawn since")
    print(f"* is the current voice. They lie in {registry.models()}")


def use(options: argparse.Namespace) -> None:
    print(f"The current voice is {registry.use(options.version, options.anyway).folder}")


def rollback(_: argparse.Namespace) -> None:
    print(f"The current voice is {registry.rollback().folder}")


def remove(options: argparse.Namespace) -> int:
    going = [registry.find(str(version)) for version in dict.fromkeys(options.versions)]
    if any(entry.current for entry in going):
        raise VoiceError("The current voice is not removed. Choose another one first: `kurdtts voices use NUMBER`.")
    for entry in going:
        hours = entry.card.training_seconds / 3600
        print(f"{entry.version:4d}  {_megabytes(entry):7.1f} MB  {hours:6.1f} hours of training  {entry.name}")
    print("They cannot be brought back.")
    if not (options.yes or _agreed()):
        print("Nothing was removed.")
        return 0
    in_use = [entry for entry in going if not registry.remove(entry)]
    for entry in in_use:
        print(f"Voice {entry.version} is in use. Close the programs and notebooks that use it, then try again.")
    return 1 if in_use else 0


def _agreed() -> bool:
    try:
        return input("Remove them? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # started by a program that cannot answer
        return False


def _megabytes(entry: RegisteredVoice) -> float:
    return sum(path.stat().st_size for path in entry.folder.rglob("*") if path.is_file()) / 1e6


def judge(options: argparse.Namespace) -> None:
    from kurdtts_lib.evaluation import optional_metrics
    from kurdtts_lib.evaluation.evaluate import evaluate
    from kurdtts_lib.evaluation.held_out import TEST_SENTENCES, held_out
    from kurdtts_lib.evaluation.metrics import WORD_METRICS
    from kurdtts_lib.evaluation.report import as_text, write_report
    from kurdtts_lib.evaluation.words import Listener
    from kurdtts_lib.vits.voice import load_voice
    from kurdtts_lib.voices.others import LIST, write_sentences
    from kurdtts_lib.voices.systems import known, load_systems

    asked = options.profile, options.data_dir
    if options.voices or (options.write_sentences and any(asked)):
        profile = common_profile(known(options.voices), *asked)
    else:
        profile = profile_of(registry.current(), *asked)
    if options.write_sentences:
        texts = held_out(profile, options.sentences or TEST_SENTENCES).word_texts
        write_sentences(options.write_sentences, texts)
        print(f"{options.write_sentences / LIST} has {len(texts)} sentences, in each line a file and its text. Let the "
              "other system speak each text into its file, beside the list, as WAV of any sampling rate. Then: "
              f"kurdtts judge VOICE NAME={options.write_sentences}")  # fmt: skip
        return
    systems = load_systems(options.voices, profile)
    recogniser = optional_metrics.load_recogniser(options.recogniser) if options.recogniser else None
    sentences = held_out(profile, options.sentences or TEST_SENTENCES)
    extras, left_out = optional_metrics.optional_metrics(profile.audio.sampling_rate, recogniser)
    try:
        listener = Listener(load_voice(options.listener or profile.base_voice), profile.audio)
    except VoiceError as error:
        if options.listener:
            raise
        listener, left_out = None, left_out | dict.fromkeys(WORD_METRICS, f"There is no listener. {error}")
    with pass_bar("sentences") as advance:
        evaluation = evaluate(systems, sentences, extras, left_out, advance, listener)
    page = write_report(evaluation, options.output_dir or home() / "runs" / f"judging-{profile.name}")
    print(as_text(evaluation))
    print(f"Report: {page}")


def export(options: argparse.Namespace) -> None:
    from kurdtts_lib.voices.export.export import export_voice

    exported = export_voice(registry.folder_of(options.voice), options.output, options.form)
    card = exported.card
    print(f"{exported.folder}: {card['bytes'] / 1e6:.1f} MB, licence {card['licence']}")
    print(f"{card['agreement']['sentences']} sentences agree with the voice to {card['agreement']['least_snr_db']} dB.")
    print(f"How to speak with it: {exported.folder / 'README.md'}")
