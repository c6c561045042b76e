"""`kurdtts`: the work of the notebooks, unattended. One module per command; `app` has their arguments."""

from kurdtts_lib.cli.app import main

__all__ = ["main"]
