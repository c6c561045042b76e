"""`kurdtts`: the work of the notebooks, unattended."""

import argparse
import contextlib
import dataclasses
import io
import math
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from kurdtts_lib.errors import KurdTTSError
from kurdtts_lib.progress import pass_bar
from kurdtts_lib.settings import Profile, home, load_profile

# Torch and transformers take seconds to load; each command imports what it needs, so that --help is quick.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it did what it says, 1 after a clear message, 2 for wrong arguments."""
    utf8_console()
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except KurdTTSError as error:
        print(f"kurdtts {options.command}: {error}", file=sys.stderr)
        return 1


def utf8_console() -> None:
    """Let a console print ş and ê: Windows' own code pages lack them."""
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
    prepare.add_argument("--source", help="a folder or a data set on the hub; default: the profile's")
    prepare.add_argument("--speaker", help="a client_id; default: the speaker with the most usable clips")
    prepare.add_argument("--output-dir", type=Path, help="where to write; default: data/prepared-PROFILE")
    prepare.add_argument("--max-samples", type=_positive, help="read only so many clips")
    prepare.set_defaults(run=_prepare)

    train = commands.add_parser("train", help="fine-tune a voice; run again to go on where it stopped")
    _add_profile(train)
    train.add_argument("--data-dir", type=Path, help="a folder that `prepare` wrote; default: data/prepared-PROFILE")
    train.add_argument("--base-voice", help="a voice's folder or its name on the hub; default: the profile's")
    train.add_argument("--name", help="what to call the training and the voice; default: the profile's name")
    length = train.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=_positive, help="how often to go through the data")
    length.add_argument("--steps", type=_positive, help="how many steps in all")
    train.set_defaults(run=_train)

    say = commands.add_parser("say", help="speak a text into a WAV file")
    say.add_argument("text")
    say.add_argument("-o", "--output", type=Path, required=True, help="the WAV file to write")
    say.add_argument("--voice", help="a voice's folder or its name on the hub; default: your newest fine-tuned voice")
    say.add_argument("--seed", type=int, default=1, help="another seed gives another reading")
    say.set_defaults(run=_say)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _add_profile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", choices=("sample", "full"), default="sample", help="default: sample")


def _check(_: argparse.Namespace) -> int:
    from kurdtts_lib.backend_check import run_checks

    checks = run_checks()
    print(*checks, sep="\n")
    return 0 if all(check.ok for check in checks) else 1


def _profile(options: argparse.Namespace, **corpus: object) -> Profile:
    profile = load_profile(options.profile)
    given = {name: value for name, value in corpus.items() if value is not None}
    return dataclasses.replace(profile, corpus=dataclasses.replace(profile.corpus, **given))  # type: ignore[arg-type]


def _prepare(options: argparse.Namespace) -> int:
    from kurdtts_lib.corpus.preparation import prepare

    profile = _profile(options, source=options.source, speaker=options.speaker, max_samples=options.max_samples)
    with pass_bar("clips") as show:
        result = prepare(profile.corpus, profile.audio, options.output_dir or profile.prepared_dir, show)
    for reason, count in result.reasons.items():
        print(f"{count:7d}  {reason}")
    print(f"{result.kept['seconds'].sum() / 60:.1f} minutes of one speaker in {result.folder}")
    return 0


def _train(options: argparse.Namespace) -> int:
    from kurdtts_lib.vits.training import StepReport
    from kurdtts_lib.voices import finish_training, prepare_training

    profile = load_profile(options.profile)
    profile = dataclasses.replace(
        profile,
        name=options.name or profile.name,
        base_voice=options.base_voice or profile.base_voice,
        data_dir=options.data_dir or profile.prepared_dir,
    )
    profile = dataclasses.replace(profile, training=_with_length(options, profile))
    trainer = prepare_training(profile)
    with _stop_on_ctrl_c() as stop, tqdm(total=profile.training.steps, initial=trainer.step, unit=" steps") as bar:

        def show(entry: StepReport) -> None:
            bar.set_postfix(mel=f"{entry.terms['mel']:.3f}", refresh=False)
            bar.update()

        done = trainer.run(stop, show)
    if not done:
        print(f"Stopped at step {trainer.step}; everything is saved. The same command goes on from here.")
        return 130
    result = finish_training(trainer, profile)
    print(f"Voice: {result.folder}")
    for name, before in dataclasses.asdict(result.before).items():
        print(f"{name.replace('_', ' '):24} {before:8.2f} -> {getattr(result.after, name):8.2f}")
    return 0


def _with_length(options: argparse.Namespace, profile: Profile):  # type: ignore[no-untyped-def]
    if options.steps:
        return dataclasses.replace(profile.training, steps=options.steps)
    if not options.epochs:
        return profile.training
    from kurdtts_lib.voices import training_and_validation

    training, _ = training_and_validation(profile)
    steps_per_epoch = math.ceil(len(training) / profile.training.batch_size)
    return dataclasses.replace(profile.training, steps=options.epochs * steps_per_epoch)


@contextlib.contextmanager
def _stop_on_ctrl_c() -> Iterator[threading.Event]:
    """Ctrl-C sets the event, so that the training ends after a whole step instead of in the middle of one."""
    stop = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _say(options: argparse.Namespace) -> int:
    from kurdtts_lib.audio import write_wav
    from kurdtts_lib.vits.synthesis import speak
    from kurdtts_lib.vits.voice import load_voice

    if options.output.suffix.lower() != ".wav":
        raise KurdTTSError(f"{options.output} would be a WAV file under another name. Let the name end in .wav.")
    voice = load_voice(options.voice or _newest_voice())
    waveform = speak(voice, options.text, options.seed)
    rate = voice.model.config.sampling_rate
    write_wav(options.output, waveform, rate)
    print(f"{options.output}: {len(waveform) / rate:.1f} s")
    return 0


def _newest_voice() -> Path:
    voices = [path.parent for path in (home() / "models").glob("voice-*/config.json")]
    if not voices:
        raise KurdTTSError("There is no fine-tuned voice yet. Train one (notebook 4), or name one with --voice.")
    return max(voices, key=lambda folder: (folder / "config.json").stat().st_mtime)


if __name__ == "__main__":
    raise SystemExit(main())
