"""`kurdtts serve`: corrections and speech over HTTP, for other programs."""

import argparse
import os
from pathlib import Path

# The service loads torch and FastAPI, which takes seconds; the command imports it, so that --help is quick.


def add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `serve` to the parser of `kurdtts`."""
    serve = commands.add_parser("serve", help="serve corrections and speech to other programs over HTTP")
    serve.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine; others need a token")
    serve.add_argument("--port", type=int, default=8765, help="default: 8765")
    serve.add_argument("--profile", help="of its trainings, where the current voice does not say which")
    serve.add_argument(
        "--token",
        help="what a client must send; better in the environment variable KURDTTS_TOKEN, where others cannot see it",
    )
    serve.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="URL",
        help="a web page that may use the service, such as https://example.org; may be repeated",
    )
    serve.add_argument(
        "--proxy",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a proxy in front, such as 127.0.0.1: the address that it forwards is the client's; may be repeated",
    )
    serve.add_argument("--max-mb", type=_positive, default=25.0, help="of one upload; default: 25")
    serve.add_argument("--collect", action="store_true", help="also serve a page at /collect where people record")
    serve.add_argument(
        "--sentences", type=Path, metavar="FILE", help="for --collect: what they read, one sentence a line"
    )
    serve.set_defaults(run=_serve)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of megabytes between 0 and 10000")
    return value


def _serve(options: argparse.Namespace) -> int:
    from kurdtts_lib.core.errors import KurdTTSError
    from kurdtts_lib.core.settings import load_profile
    from kurdtts_lib.service import app
    from kurdtts_lib.service.collect import read_sentences
    from kurdtts_lib.service.state import ServiceSettings

    if options.profile is not None:
        load_profile(options.profile)  # an unknown profile is reported now, not at the first training
    token = os.environ.get("KURDTTS_TOKEN", "") if options.token is None else options.token
    origins = tuple(origin.rstrip("/") for origin in options.allow_origin)
    if options.sentences and not options.collect:
        raise KurdTTSError("--sentences is for the page for contributors. Add --collect.")
    sentences = read_sentences(options.sentences) if options.collect else ()
    most_bytes = round(options.max_mb * 1_000_000)
    settings = ServiceSettings(options.profile, token, origins, most_bytes, sentences, tuple(options.proxy))
    app.serve(settings, options.host, options.port)
    return 0
