"""`kurdtts`: the work of the notebooks, unattended. One module a command; `app` puts them together."""

from kurdtts_lib.cli.app import main

__all__ = ["main"]
