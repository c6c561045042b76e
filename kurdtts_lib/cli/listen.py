"""`kurdtts listen`: make a blind listening test, import the answers, and show the results."""

import argparse
import sys
from pathlib import Path

from kurdtts_lib.core.errors import ListeningError

# Voices take seconds to load; each command imports what it needs, so that --help is quick.


def add_listen(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `listen` and its own commands to the parser of `kurdtts`."""
    listen = commands.add_parser("listen", help="a blind listening test: people say how natural voices sound")
    actions = listen.add_subparsers(dest="action", required=True)

    make = actions.add_parser("make", help="write a folder with a test for listeners, and their codes")
    make.add_argument("folder", type=Path, help="a new or empty folder, to give to the listeners")
    make.add_argument(
        "--voices",
        nargs="+",
        required=True,
        metavar="VOICE",
        help="numbers or names of `kurdtts voices`, folders, or hub names",
    )
    make.add_argument(
        "--kind",
        choices=("mos", "cmos", "abx"),
        default="mos",
        help="mos: how natural is it, 1 to 5 (default). cmos: which of two is better. abx: can two be told apart",
    )
    make.add_argument("--sentences", type=_count, default=8, help="how many; default: 8")
    make.add_argument("--text", type=Path, help="a file with a sentence in each line, in place of held-out recordings")
    make.add_argument("--listeners", type=_count, default=24, help="how many codes; default: 24")
    make.add_argument("--language", choices=("en", "kmr"), default="kmr", help="of the page; listeners can change it")
    make.add_argument("--profile", help="sample, full, or the folder of a corpus; default: the voices' own")
    make.add_argument("--data-dir", type=Path, help="a folder that `prepare` wrote; default: the voices' own")
    make.set_defaults(run=_make)

    imports = actions.add_parser("import", help="take the files that listeners sent back")
    imports.add_argument("files", type=Path, nargs="+", metavar="FILE", help="answers-CODE.json")
    imports.set_defaults(run=_import)

    results = actions.add_parser("results", help="what the listeners said, and whether it means anything")
    results.add_argument("--test", help="default: the newest")
    results.set_defaults(run=_results)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 500:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 500")
    return int(text)


def _make(options: argparse.Namespace) -> int:
    from kurdtts_lib.evaluation.listening.design import make_test
    from kurdtts_lib.evaluation.listening.store import ListeningStore
    from kurdtts_lib.voices import registry
    from kurdtts_lib.voices.lineage import common_profile
    from kurdtts_lib.voices.listening_material import from_recordings, from_text
    from kurdtts_lib.widgets.listening_page import check_folder, write_folder

    check_folder(options.folder)  # before minutes of synthesis
    if options.text:
        material = from_text(options.voices, options.text, options.sentences)
    else:
        profile = common_profile(registry.known(options.voices), options.profile, options.data_dir)
        material = from_recordings(options.voices, profile, options.sentences, options.kind)
    test = make_test(
        options.kind,
        material.systems,
        material.sampling_rate,
        material.anchors,
        options.listeners,
        material.note,
    )
    ListeningStore().keep(test.key)
    write_folder(test, options.folder, options.language)
    trials = next(iter(test.key.plans.values()))
    print(f"Listening test {test.key.test}: {', '.join(test.key.systems)}. {material.note}".rstrip())
    print(f"{len(test.key.sentences)} sentences; each listener answers {len(trials)} times.")
    print(f"Give each listener the folder {options.folder} and a code of their own:")
    print(*test.key.plans)
    print("They send back answers-CODE.json; take it with `kurdtts listen import`.")
    return 0


def _import(options: argparse.Namespace) -> int:
    from kurdtts_lib.evaluation.listening.store import ListeningStore, import_answers

    store, refused = ListeningStore(), 0
    for path in options.files:
        try:
            taken = import_answers(store, path)
        except ListeningError as error:
            print(error, file=sys.stderr)
            refused += 1
            continue
        print(f"{taken.code}: {taken.answers} of {taken.expected} answers, {taken.new} of them new (test {taken.test})")
    print(f"{len(options.files) - refused} files taken, {refused} refused")
    return 1 if refused else 0


def _results(options: argparse.Namespace) -> int:
    from kurdtts_lib.evaluation.listening.results import results
    from kurdtts_lib.evaluation.listening.store import ListeningStore

    store = ListeningStore()
    print(results(store, options.test))
    if not options.test and len(tests := store.tests()) > 1:
        print(f"\nOther tests (--test NAME): {', '.join(tests[:-1])}")
    return 0
