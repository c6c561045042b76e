"""`kurdtts voices`: list voices, choose the current one, and remove voices."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kurdtts_lib.voices.registry import RegisteredVoice


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
    prune = actions.add_parser("prune", help="remove voices to make room; shows them first, and asks")
    prune.add_argument(
        "versions",
        nargs="*",
        type=int,
        metavar="NUMBER",
        help="which; default: all but the current voice, the one it comes from, the one that a roll-back goes to, the "
        "best of each lineage, results of more than an hour, and voices whose origin is not known",
    )
    prune.add_argument("--yes", action="store_true", help="do not ask")
    prune.set_defaults(run=_prune)


def _list(_: argparse.Namespace) -> int:
    from kurdtts_lib.feedback.store import FeedbackStore
    from kurdtts_lib.voices import registry

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
    from kurdtts_lib.voices import registry

    print(f"The current voice is {registry.use(options.version).folder}")
    return 0


def _rollback(_: argparse.Namespace) -> int:
    from kurdtts_lib.voices import registry

    print(f"The current voice is {registry.rollback().folder}")
    return 0


def _prune(options: argparse.Namespace) -> int:
    from kurdtts_lib.core.errors import VoiceError
    from kurdtts_lib.voices import registry
    from kurdtts_lib.voices.lineage import worth_keeping

    found = registry.voices()
    kept = worth_keeping(found, registry.back())
    chosen = [registry.entry_of(version) for version in options.versions]
    if any(entry.current for entry in chosen):
        raise VoiceError("The current voice is not removed. Choose another one first: `kurdtts voices use NUMBER`.")
    going = chosen or [entry for entry in found if entry.version not in kept]
    for entry in found:
        what = "GOES" if entry in going else f"stays: {kept.get(entry.version, 'not named')}"
        print(f"{entry.version:4d}  {_megabytes(entry):7.1f} MB  {entry.name}  {what}")
    if not going:
        print("Nothing to remove. Give the numbers of voices to remove them all the same.")
        return 0
    print(f"{len(going)} of {len(found)} voices go, {sum(map(_megabytes, going)):.1f} MB. They cannot be brought back.")
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


def _megabytes(entry: "RegisteredVoice") -> float:
    return sum(path.stat().st_size for path in entry.folder.rglob("*") if path.is_file()) / 1e6
