"""environment.yml as data: each line is checked by the library that conda and pip use to read it. No network needed."""

import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rattler import MatchSpec, Version, VersionSpec
from rattler.exceptions import InvalidMatchSpecError

ROOT = Path(__file__).parents[1]


def read_environment() -> dict[str, Any]:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert isinstance(environment, dict)
    return environment


def conda_specs() -> list[str]:
    return [line for line in read_environment()["dependencies"] if isinstance(line, str)]


def pip_lines() -> list[str]:
    (section,) = [line for line in read_environment()["dependencies"] if isinstance(line, dict)]
    assert list(section) == ["pip"]
    return list(section["pip"])


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def repeated(environment_names: list[str], dependencies: list[str]) -> set[str]:
    """Names that stand in both lists, whatever way they are written (PEP 503)."""
    wanted = {re.sub(r"[-_.]+", "-", Requirement(line).name).lower() for line in dependencies}
    return wanted & {re.sub(r"[-_.]+", "-", name).lower() for name in environment_names}


def test_the_environment_is_named_kurdtts_and_takes_packages_from_conda_forge_only() -> None:
    environment = read_environment()
    assert set(environment) == {"name", "channels", "dependencies"}
    assert environment["name"] == "kurdtts" == project()["name"]
    assert environment["channels"] == ["conda-forge", "nodefaults"]


def test_every_conda_line_is_a_valid_match_spec() -> None:
    parsed = [MatchSpec(spec, strict=True) for spec in conda_specs()]
    assert [(spec.name and spec.name.normalized, spec.version) for spec in parsed] == [
        ("python", "3.12.*"),
        ("pip", None),
    ]


def test_a_broken_conda_line_would_be_noticed() -> None:
    with pytest.raises(InvalidMatchSpecError, match="version spec"):
        MatchSpec("python=>=3.12=", strict=True)


def test_the_python_of_conda_is_one_that_the_project_allows() -> None:
    (spec,) = [MatchSpec(line) for line in conda_specs() if line.startswith("python")]
    assert spec.version
    version = VersionSpec(spec.version)
    for candidate in ("3.12.0", "3.12.11"):
        assert version.matches(Version(candidate))
        assert candidate in SpecifierSet(project()["requires-python"])
    for candidate in ("3.11.9", "3.13.0"):
        assert not version.matches(Version(candidate))


def test_pip_installs_the_project_with_its_tests_as_start_py_does_and_nothing_else() -> None:
    options = [line.split(maxsplit=1) for line in pip_lines()]
    assert [option for option, _ in options] == ["--extra-index-url", "-e"]
    assert dict(options)["-e"] == ".[test]"


def test_pip_takes_the_cuda_build_from_the_same_page_as_start_py() -> None:
    specification = importlib.util.spec_from_file_location("kurdtts_start", ROOT / "start.py")
    assert specification and specification.loader
    start = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(start)
    assert pip_lines()[0] == f"--extra-index-url {start.TORCH_INDEX['cuda']}"


def test_no_dependency_of_the_project_is_repeated() -> None:
    dependencies = [*project()["dependencies"], *project()["optional-dependencies"]["test"]]
    assert len(dependencies) > 10  # an empty list would repeat nothing
    names = [re.split(r"[\s=<>!~;\[@]", line.removeprefix("-e").strip())[0] for line in [*conda_specs(), *pip_lines()]]
    assert repeated(names, dependencies) == set()


def test_a_repeated_dependency_would_be_noticed() -> None:
    assert repeated(["python", "Py_Rattler"], ["py-rattler>=0.20", "torch==2.13.0"]) == {"py-rattler"}
