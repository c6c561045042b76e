"""Promises about the repository itself."""

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

import kurdtts_lib
from kurdtts_lib.core.settings import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((REPOSITORY / "notebooks" / "solutions").glob("*.ipynb"))
MODULES = sorted((REPOSITORY / "kurdtts_lib").rglob("*.py"))
# From the top down, as the library itself draws them.
ROOMS = re.findall(r"^    (\w+)  ", kurdtts_lib.__doc__ or "", flags=re.MULTILINE)


@pytest.mark.parametrize("command", [("ruff", "check", "."), ("mypy",)], ids=["ruff", "mypy"])
def test_the_checker_finds_nothing(command: tuple[str, ...]) -> None:
    result = subprocess.run([sys.executable, "-m", *command], cwd=REPOSITORY, capture_output=True, encoding="utf-8")
    assert result.returncode == 0, result.stdout


def room_of(module: str) -> int:
    part = module.split(".")[1] if "." in module else ""
    return ROOMS.index(part) if part in ROOMS else -1


def imports(path: Path) -> set[str]:
    """The modules of kurdtts_lib that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports name the whole module"
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return {name for name in found if name.split(".")[0] == "kurdtts_lib"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_arrows_point_one_way(path: Path) -> None:
    own = room_of(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))
    assert {name for name in imports(path) if room_of(name) > own >= 0} == set()


def test_there_are_at_most_twelve_rooms_and_every_module_is_in_one() -> None:
    names = {path.relative_to(REPOSITORY / "kurdtts_lib").with_suffix("").parts[0] for path in MODULES}
    assert names - {"__init__"} == set(ROOMS) and len(ROOMS) == 12
    imported = {room_of(name) for path in MODULES for name in imports(path)}
    assert imported >= set(range(1, 12)), "imports of nearly every room are seen"


@pytest.mark.parametrize("name", ["README.md", "README.ku.md"])
def test_readme_names_every_notebook_and_its_links_lead_somewhere(name: str) -> None:
    readme = (REPOSITORY / name).read_text(encoding="utf-8")
    assert NOTEBOOKS and all(f"notebooks/{path.name}" in readme for path in NOTEBOOKS)
    heads = {
        re.sub(r"[^\w-]", "", head.lower().replace(" ", "-")) for head in re.findall("^## (.+)", readme, re.MULTILINE)
    }
    for path, _, head in (target.partition("#") for target in re.findall(r"\]\(([^)]+)\)", readme)):
        assert (REPOSITORY / path).exists() and (path or head in heads), path or head


@pytest.mark.parametrize("path", NOTEBOOKS + SOLUTIONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_notebook_is_thin_and_without_outputs(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(len("".join(cell["source"]).splitlines()) <= 15 for cell in code)
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    assert cells[0]["cell_type"] == "markdown"
    assert 'PROFILE = "sample"' in "".join(code[0]["source"])
    assert any("assert" in "".join(cell["source"]) for cell in code)
    assert any("## What you have now" in "".join(cell["source"]) for cell in cells[-3:])


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_what_a_solution_imports_is_there(path: Path) -> None:
    """Solutions run in the slow set only, and a name that moved must be noticed before."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    trees = [ast.parse("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code"]
    found = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    own = [(node.module, name.name) for node in found if "kurdtts_lib" in (node.module or "") for name in node.names]
    assert own
    for module, name in own:
        assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"


def prose(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_has_exercises_whose_solutions_are_in_the_notebook_of_the_same_name(path: Path) -> None:
    exercises = prose(path).split("## Exercises")[1].split("## Further reading")[0]
    numbers = re.findall(r"^(\d)\. ", exercises, flags=re.MULTILINE)
    assert 2 <= len(numbers) <= 3 and "**Ask yourself:**" in exercises and f"](solutions/{path.name})" in exercises
    solutions = prose(path.parent / "solutions" / path.name)
    assert re.findall(r"^## (\d)\. ", solutions, flags=re.MULTILINE) == numbers
    assert f"](../{path.name})" in solutions


@pytest.mark.parametrize("path", NOTEBOOKS + SOLUTIONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_links_of_notebooks_lead_to_files_and_to_headings_of_the_glossary(path: Path) -> None:
    targets = re.findall(r"\]\(([^)]+)\)", prose(path))
    glossary = (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8")
    headings = {heading.lower() for heading in re.findall(r"^## (\w+)$", glossary, flags=re.MULTILINE)}
    inside = [target.partition("#") for target in targets if not target.startswith("https://")]
    assert any(file.endswith("glossary.md") for file, _, _ in inside)
    assert [file for file, _, _ in inside if not (path.parent / file).is_file()] == []
    assert {heading for _, _, heading in inside if heading} <= headings


def test_the_picture_of_vits_has_its_parts_as_text_and_needs_no_other_file() -> None:
    root = ElementTree.parse(REPOSITORY / "docs" / "vits.svg").getroot()
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    parts = {"text encoder", "posterior encoder", "flow", "decoder", "duration predictor", "discriminator", "alignment"}
    assert parts <= texts
    assert not [name for element in root.iter() for name in element.attrib if name.endswith(("href", "src"))]


def test_every_dependency_is_imported_or_started_somewhere() -> None:
    """A package that nothing uses must not be installed on a reader's machine."""
    pyproject = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    extras = pyproject["project"]["optional-dependencies"]
    lines = [*pyproject["project"]["dependencies"], *extras["train"], *extras["service"], *extras["course"]]
    packages = {re.split(r"[=<>[]", line)[0].replace("-", "_") for line in lines} - {"kurdtts"}
    packages = {{"ipython": "IPython"}.get(name, name) for name in packages}
    # Not imported by us: the process in which every notebook runs, what pandas reads Parquet with, what FastAPI reads
    # uploads with, and what speechmos imports without saying so.
    packages -= {"ipykernel", "pyarrow", "python_multipart", "requests"}
    sources = "\n".join(path.read_text(encoding="utf-8") for path in [*MODULES, REPOSITORY / "start.py", *NOTEBOOKS])
    unused = {name for name in packages if not re.search(rf"(import|from) {name}\b|[\"']{name}[\"']", sources)}
    assert len(packages) > 10 and unused == set()
