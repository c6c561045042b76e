"""`kurdtts listen`: make a blind listening test, take the answers, and show the results."""

import argparse
import sys

from kurdtts_lib.core.errors import ListeningError
from kurdtts_lib.core.files import check_own
from kurdtts_lib.evaluation.listening.design import make_test
from kurdtts_lib.evaluation.listening.results import results
from kurdtts_lib.evaluation.listening.store import ListeningStore, import_answers
from kurdtts_lib.voices.lineage import common_profile
from kurdtts_lib.voices.systems import from_recordings, from_text, known, put_on_card
from kurdtts_lib.widgets.listening_page import MARK, write_folder


def make(options: argparse.Namespace) -> None:
    check_own(options.folder, MARK)  # before minutes of synthesis
    if options.text:
        material = from_text(options.voices, options.text, options.sentences)
    else:
        profile = common_profile(known(options.voices), options.profile, options.data_dir)
        material = from_recordings(options.voices, profile, options.sentences)
    test = make_test(material.systems, material.sampling_rate, material.anchors, options.listeners, material.note)
    ListeningStore().keep(test.key)
    write_folder(test, options.folder, options.language)
    trials = next(iter(test.key.plans.values()))
    print(f"Listening test {test.key.test}: {', '.join(test.key.systems)}. {test.key.note}".rstrip())
    print(f"{len(test.key.sentences)} sentences; each listener answers {len(trials)} times.")
    print(f"Give each listener the folder {options.folder} and a code of their own:")
    print(*test.key.plans)
    print("They send back answers-CODE.json; take it with `kurdtts listen import`.")


def take_answers(options: argparse.Namespace) -> int:
    store, refused = ListeningStore(), 0
    for path in options.files:
        try:
            print(import_answers(store, path))
        except ListeningError as error:
            print(error, file=sys.stderr)
            refused += 1
    print(f"{len(options.files) - refused} files taken, {refused} refused")
    return 1 if refused else 0


def show(options: argparse.Namespace) -> None:
    store = ListeningStore()
    print(results(store, options.test))
    if options.card:
        print(f"\nThe opinion score is on the card of {put_on_card(options.card, store, options.test)}.")
    if not options.test and len(tests := store.tests()) > 1:
        print(f"\nOther tests (--test NAME): {', '.join(tests[:-1])}")
