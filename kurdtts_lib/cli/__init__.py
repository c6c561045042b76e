"""`kurdtts`: the work of the notebooks, unattended. One module per command; `app` combines them."""

from kurdtts_lib.cli.app import main

__all__ = ["main"]
