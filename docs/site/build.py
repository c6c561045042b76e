"""Build the course as a static web site: README, notebooks with what they showed, glossary, and pages from docstrings.

    python start.py
    pip install -e ".[site]"
    python docs/site/build.py [RUN] [--output FOLDER]

RUN is the folder of a finished course; without it the newest in `runs/`. The site is written to `build/site`; nothing
is run, and the notebooks in the repository stay as they are.
"""

import argparse
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import kurdtts_lib
from kurdtts_lib.core.files import write_text
from kurdtts_lib.core.settings import REPOSITORY as ROOT

FILES = (
    *("README.md", "README.ku.md", "CHANGELOG.md", "LICENSE", "data/sample/README.md"),
    *("kurdtts_lib/text/rules.py", "tests/kurmanji_readings.tsv"),  # docs/text.md leads to them
)
FOLDERS = ("docs", "benchmarks", "notebooks/solutions", "models/tiny-kmr", "kurdtts_lib/text/languages")
SHOWN = (".md", ".ipynb", ".png", ".svg", ".flac", ".wav", ".mp3", ".toml", ".tsv")


def copy_pages(source: Path) -> None:
    """What people read, in the places that it has in the repository, so that its links hold."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SHOWN]
    for path in (*(ROOT / file for file in FILES), *found):
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    solutions = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
    lines = [f"- [{path.stem.replace('_', ' ')}]({path.name})" for path in solutions]
    write(source / "notebooks" / "solutions" / "index.md", "# Solutions", *lines)


def copy_run(run: Path, source: Path) -> None:
    """The notebooks of a finished course, with their outputs. Ends the program if some are missing."""
    names = [path.name for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    if missing := [name for name in names if not (run / name).is_file()]:
        sys.exit(f"{run} has no {', '.join(missing)}: `python start.py` did not finish there. Run it again.")
    for name in names:
        shutil.copyfile(run / name, source / "notebooks" / name)


def write_api(source: Path) -> None:
    """A page for each room of the library, with its modules."""
    rooms: dict[str, list[str]] = {}
    for module in pkgutil.walk_packages(kurdtts_lib.__path__, "kurdtts_lib."):
        if not module.ispkg and not module.name.endswith("__main__"):
            rooms.setdefault(module.name.split(".")[1], []).append(module.name)
    for room, modules in rooms.items():
        write(source / "api" / f"{room}.md", f"# {room}", *(f"::: {name}" for name in modules))
    listed = "\n".join(f"- [{room}]({room}.md): {len(modules)} modules" for room, modules in rooms.items())
    write(source / "api" / "index.md", "# Library", "::: kurdtts_lib\n    options: {members: false}", listed)


def write(path: Path, *parts: str) -> None:
    write_text(path, "\n\n".join(parts) + "\n")


def main() -> None:
    runs = sorted(path for path in (ROOT / "runs").glob("2*") if path.is_dir())
    parser = argparse.ArgumentParser(description="Build the course as a static web site.")
    parser.add_argument("run", type=Path, nargs="?", default=runs[-1] if runs else None, help="a finished course")
    parser.add_argument("--output", type=Path, default=ROOT / "build", help="folder; default: build")
    given = parser.parse_args()
    run, output = given.run, given.output.absolute()
    if run is None:
        parser.error("there is no finished course yet: run `python start.py` first")
    source = output / "site-source"
    shutil.rmtree(source, ignore_errors=True)
    copy_pages(source)
    copy_run(run, source)
    write_api(source)
    config = output / "mkdocs.yml"  # paths in it are relative to it
    shutil.copyfile(Path(__file__).with_name("mkdocs.yml"), config)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config)]
    # In its folder, because a plugin writes a cache to where it is run.
    result = subprocess.run(command, cwd=output, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    if result.returncode:
        sys.exit("MkDocs did not build the site; what is wrong stands above.")
    print(f"Open {output / 'site' / 'index.html'} in your browser, or put the folder on a web server.")


if __name__ == "__main__":
    main()
