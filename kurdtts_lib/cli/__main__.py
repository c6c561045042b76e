"""`python -m kurdtts_lib.cli`."""

from kurdtts_lib.cli.app import main

if __name__ == "__main__":
    raise SystemExit(main())
