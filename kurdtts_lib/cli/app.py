"""`kurdtts`: the work of the notebooks, unattended."""

import argparse
import dataclasses
import io
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from kurdtts_lib.cli.export import add_export
from kurdtts_lib.cli.feedback import add_feedback
from kurdtts_lib.cli.judge import add_judge
from kurdtts_lib.cli.listen import add_listen
from kurdtts_lib.cli.packages import missing_package
from kurdtts_lib.cli.say import add_say
from kurdtts_lib.cli.serve import add_serve
from kurdtts_lib.cli.setting_arguments import add_set, changed
from kurdtts_lib.cli.voices import add_voices
from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.core.progress import pass_bar
from kurdtts_lib.core.settings import CorpusSettings, Profile, load_profile
from kurdtts_lib.core.training_settings import PRESETS, TrainingSettings, with_preset

# Torch and transformers take seconds to load; each command imports what it needs, so that --help is quick.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 on success, 1 after an error message, 130 if stopped; wrong arguments exit with 2."""
    utf8_console()
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except KurdTTSError as error:
        print(f"kurdtts {options.command}: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        sentence = missing_package(error)
        if sentence is None:
            raise
        print(f"kurdtts {options.command}: {sentence}", file=sys.stderr)
        return 1


def utf8_console() -> None:
    """Make the console print ş and ê: the code pages of Windows lack them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kurdtts", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    check = commands.add_parser("check", help="say what this machine has, one OK or FIX line each")
    check.set_defaults(run=_check)

    prepare = commands.add_parser("prepare", help="make a training set from a corpus")
    _add_profile(prepare)
    prepare.add_argument("--source", help="a folder, a Common Voice .tar.gz, or a data set on the hub")
    prepare.add_argument("--speaker", help="one (most minutes, the default), group, all, or names separated by commas")
    prepare.add_argument("--output-dir", type=Path, help="where to write; default: data/prepared-PROFILE")
    prepare.add_argument("--max-samples", type=_positive, help="read only so many clips")
    add_set(prepare, CorpusSettings, "text_column=transcription, or pace_mads=none to switch a rule off")
    prepare.set_defaults(run=_prepare)

    train = commands.add_parser("train", help="fine-tune a voice; run again to go on where it stopped")
    _add_profile(train)
    train.add_argument("--data-dir", type=Path, help="a folder that `prepare` wrote; default: data/prepared-PROFILE")
    train.add_argument("--base-voice", help="a voice, as for `kurdtts say --voice`; default: the profile's")
    train.add_argument("--name", help="what to call the training and the voice; default: the profile's name")
    length = train.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=_positive, help="how often to go through the data")
    length.add_argument("--steps", type=_positive, help="how many steps in all")
    train.add_argument("--preset", choices=tuple(PRESETS), help="how this machine computes; full: gpu-8gb")
    train.add_argument("--tensorboard", action="store_true", help="also write the curves for TensorBoard")
    add_set(train, TrainingSettings, "learning_rate=1e-5, patience=none or weights.mel=45; notebook 4 shows them all")
    train.set_defaults(run=_train)

    convert = commands.add_parser("convert", help="make a voice's folder from a checkpoint of the published VITS code")
    convert.add_argument("generator", type=Path, help="G_100000.pth, with its config.json and vocab.txt beside it")
    convert.add_argument("folder", type=Path, help="where to write the voice")
    convert.add_argument("--discriminator", type=Path, help="D_100000.pth, to go on training with")
    convert.set_defaults(run=_convert)

    add_say(commands)
    add_judge(commands)
    add_voices(commands)
    add_feedback(commands)
    add_listen(commands)
    add_serve(commands)
    add_export(commands)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _add_profile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="sample", help="sample (default), full, or the folder of a corpus")


def _check(_: argparse.Namespace) -> int:
    from kurdtts_lib.cli.backend_check import run_checks

    checks = run_checks()
    print(*checks, sep="\n")
    return 0 if all(check.ok for check in checks) else 1


def _prepare(options: argparse.Namespace) -> int:
    from kurdtts_lib.data.filtering import reasons_table
    from kurdtts_lib.data.prepare import prepare

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
    return 0


def _train(options: argparse.Namespace) -> int:
    from kurdtts_lib.cli.training_bar import run_to_end
    from kurdtts_lib.evaluation.report import as_text
    from kurdtts_lib.voices import registry
    from kurdtts_lib.voices.finetune import finish_training, prepare_training

    profile = load_profile(options.profile)
    profile = dataclasses.replace(
        profile,
        name=options.name or profile.name,
        base_voice=registry.folder_of(options.base_voice) if options.base_voice is not None else profile.base_voice,
        data_dir=options.data_dir or profile.prepared_dir,
    )
    profile = dataclasses.replace(profile, training=_training_settings(options, profile))
    trainer = prepare_training(profile)
    main_process = trainer.process.is_main_process  # of several, only one evaluates and writes
    if not run_to_end(trainer):
        return 130 if main_process else 0
    if not main_process:
        return 0
    result = finish_training(trainer, profile)
    print(f"Voice: {result.folder}")
    for fault in result.faults:
        print(f"It did not become the current voice. {fault}")
    print(as_text(result.evaluation))
    return 0


def _training_settings(options: argparse.Namespace, profile: Profile) -> TrainingSettings:
    """The profile's training settings, changed by the options."""
    training = with_preset(profile.training, options.preset) if options.preset else profile.training
    length = {"steps": options.steps} if options.steps else {}
    training = changed(training, {"tensorboard": options.tensorboard} | length | dict(options.set))
    if not options.epochs:
        return training
    from kurdtts_lib.voices.finetune import clips_of

    steps_per_epoch = math.ceil(len(clips_of(profile).train) / training.batch_size)
    return dataclasses.replace(training, steps=options.epochs * steps_per_epoch)


def _convert(options: argparse.Namespace) -> int:
    from kurdtts_lib.vits.conversion import convert

    convert(options.generator, options.folder, options.discriminator)
    print(f"Voice: {options.folder}")
    return 0
