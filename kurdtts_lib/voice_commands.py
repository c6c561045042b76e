"""`kurdtts voices`: which voices there are, and which one speaks."""

import argparse


def add_voices(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `voices` and its own commands to the parser of `kurdtts`."""
    voices = commands.add_parser("voices", help="the voices that were made here; one of them is the current one")
    voices.set_defaults(run=_list)
    actions = voices.add_subparsers(dest="action")
    use = actions.add_parser("use", help="make a voice the current one")
    use.add_argument("version", type=int, help="its number in `kurdtts voices`")
    use.set_defaults(run=_use)
    rollback = actions.add_parser("rollback", help="go back to the voice that was current before")
    rollback.set_defaults(run=_rollback)


def _list(_: argparse.Namespace) -> int:
    from kurdtts_lib import registry
    from kurdtts_lib.feedback.store import FeedbackStore

    found = registry.voices()
    if not found:
        print("There is no voice yet. Train one: notebook 4, or `kurdtts train`.")
        return 0
    tainted = FeedbackStore().tainted_voices()
    for entry in found:
        card = entry.card
        parent = f"from {card['parent']}" if card.get("parent") else f"from {card.get('base_voice', '?')}"
        print(f"{'*' if entry.current else ' '} {entry.version:4d}  {card.get('date', ''):10}  {entry.name}  {parent}")
        for fault in entry.faults:
            print(f"        may not become current: {fault}")
        if withdrawn := tainted.get(entry.folder.name):
            print(f"        learned from {len(withdrawn)} correction(s) that were withdrawn since")
    print(f"* is the current voice. They lie in {registry.models()}")
    return 0


def _use(options: argparse.Namespace) -> int:
    from kurdtts_lib import registry

    print(f"The current voice is {registry.use(options.version).folder}")
    return 0


def _rollback(_: argparse.Namespace) -> int:
    from kurdtts_lib import registry

    print(f"The current voice is {registry.rollback().folder}")
    return 0
