"""`kurdtts export`: write a voice as files for programs without torch."""

import argparse
from pathlib import Path


def add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `export` to the parser of `kurdtts`."""
    export = commands.add_parser("export", help="write a voice as ONNX, for programs and devices without torch")
    export.add_argument(
        "voice",
        nargs="?",
        help="a number or a name of `kurdtts voices`, a folder, or a name on the hub; default: the current voice",
    )
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="a new folder")
    export.add_argument(
        "--form",
        choices=("onnx", "onnx-int8", "sherpa"),
        default="onnx",
        help="onnx (default): as exact as torch; onnx-int8: smaller and quicker; sherpa: for sherpa-onnx and its apps",
    )
    export.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    from kurdtts_lib.voices import registry
    from kurdtts_lib.voices.export.export import export_voice

    exported = export_voice(registry.folder_of(options.voice), options.output, options.form)
    card = exported.card
    print(f"{exported.folder}: {card['bytes'] / 1e6:.1f} MB, licence {card['licence']}")
    print(f"{card['agreement']['sentences']} sentences agree with the voice to {card['agreement']['least_snr_db']} dB.")
    if loss := card.get("loss"):
        print(
            f"8 bits take {loss['time_ratio']:.2f} of the time and {card['bytes'] / card['float_bytes']:.2f} of the "
            f"size, and change the speech by {loss['mel_cepstral_distance']:.2f} dB (mel cepstral distance)."
        )
    for warning in exported.warnings:
        print(f"Warning: {warning}")
    print(f"How to speak with it: {exported.folder / 'README.md'}")
    return 0
