"""`kurdtts serve`: corrections and speech over HTTP, for other programs."""

import argparse
import os

from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.core.settings import load_profile
from kurdtts_lib.service import app
from kurdtts_lib.service.collect import read_sentences
from kurdtts_lib.service.state import ServiceSettings


def start(options: argparse.Namespace) -> None:
    if options.profile is not None:
        load_profile(options.profile)  # an unknown profile is reported now, not at the first training
    if options.sentences and not options.collect:
        raise KurdTTSError("--sentences is for the page for contributors. Add --collect.")
    settings = ServiceSettings(
        profile=options.profile,
        token=os.environ.get("KURDTTS_TOKEN", "") if options.token is None else options.token,
        origins=tuple(origin.rstrip("/") for origin in options.allow_origin),
        most_bytes=round(options.max_mb * 1_000_000),
        sentences=read_sentences(options.sentences) if options.collect else (),
    )
    app.serve(settings, options.host, options.port)
