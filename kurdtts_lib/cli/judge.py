"""`kurdtts judge`: evaluate voices on held-out sentences."""

import argparse
from pathlib import Path

from kurdtts_lib.core.settings import home


def add_judge(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `judge` to the parser of `kurdtts`."""
    evaluate = commands.add_parser("judge", help="measure voices on sentences that they never saw, and write a report")
    evaluate.add_argument(
        "voices",
        nargs="*",
        metavar="VOICE",
        help="a voice's number or name in `kurdtts voices`, its folder, or its name on the hub; the others are "
        "compared with the first. Default: the current one and its base voice",
    )
    evaluate.add_argument("--profile", help="sample, full, or the folder of a corpus; default: the voices' own")
    evaluate.add_argument("--data-dir", type=Path, help="a folder that `prepare` wrote; default: the voices' own")
    evaluate.add_argument("--output-dir", type=Path, help="where to write; default: runs/judging-NAME")
    evaluate.add_argument("--recogniser", metavar="NAME", help="speech to text: a folder, or a name on the hub")
    evaluate.add_argument("--sentences", type=_positive, help="at most so many test sentences; default: 200")
    evaluate.set_defaults(run=_judge)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _judge(options: argparse.Namespace) -> int:
    from kurdtts_lib.core.progress import pass_bar
    from kurdtts_lib.evaluation.evaluate import evaluate
    from kurdtts_lib.evaluation.held_out import TEST_SENTENCES, held_out
    from kurdtts_lib.evaluation.optional_metrics import load_recogniser, optional_metrics
    from kurdtts_lib.evaluation.report import as_text, write_report
    from kurdtts_lib.voices import registry
    from kurdtts_lib.voices.lineage import common_profile, profile_of
    from kurdtts_lib.voices.systems import load_systems

    asked = options.profile, options.data_dir
    if options.voices:
        profile = common_profile(registry.known(options.voices), *asked)
    else:
        profile = profile_of(registry.current(), *asked)
    systems = load_systems(options.voices, profile)
    recogniser = load_recogniser(options.recogniser) if options.recogniser else None
    sentences = held_out(profile, options.sentences or TEST_SENTENCES)
    extras, left_out = optional_metrics(profile.audio, recogniser)
    with pass_bar("sentences") as show:
        evaluation = evaluate(systems, sentences, extras, left_out, show)
    page = write_report(evaluation, options.output_dir or home() / "runs" / f"judging-{profile.name}")
    print(as_text(evaluation))
    print(f"Report: {page}")
    return 0
