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

ROOT = Path(__file__).absolute().parents[2]
PAGES = ("README.md", "README.ku.md", "CHANGELOG.md", "LICENSE", "data/sample/README.md", "models/tiny-kmr/README.md")
FOLDERS = ("docs", "benchmarks", "notebooks/solutions", "models/tiny-kmr/samples", "models/tiny-kmr/curve.png")
SHOWN = (".md", ".ipynb", ".png", ".svg", ".flac", ".wav", ".mp3")


def copy_pages(source: Path) -> None:
    """What people read, in the places that it has in the repository, so that its links hold."""
    found = [ROOT / page for page in PAGES]
    found += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    for path in found:
        if path.is_file() and (path.suffix in SHOWN or path.name == "LICENSE"):
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
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


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
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", str(config)]
    result = subprocess.run(command, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    if result.returncode:
        sys.exit("MkDocs did not build the site; what is wrong stands above.")
    print(f"Open {output / 'site' / 'index.html'} in your browser, or put the folder on a web server.")


if __name__ == "__main__":
    main()
