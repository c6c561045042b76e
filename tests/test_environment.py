"""environment.yml, lock.txt and pyproject.toml agree with each other and with start.py."""

import re
import tomllib
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from starting import ROOT, start

LOCK = [
    Requirement(line)
    for line in (ROOT / "lock.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
SYSTEMS = (("linux", "posix", "x86_64"), ("darwin", "posix", "arm64"), ("win32", "nt", "AMD64"))


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements() -> list[Requirement]:
    extras = project()["optional-dependencies"].values()
    lines = [*project()["dependencies"], *(line for lines in extras for line in lines)]
    return [requirement for requirement in map(Requirement, lines) if requirement.name != "kurdtts"]


def test_conda_takes_python_and_pip_and_pip_does_what_start_py_does() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    python, pip, packages = environment["dependencies"]
    assert python == "python=3.12" and SpecifierSet(project()["requires-python"]).contains("3.12.0")
    assert pip == "pip"
    index = f"--extra-index-url {start.TORCH_INDEX['cuda']}"
    assert packages == {"pip": [index, "-c lock.txt", "-e .[course]"]}


def test_every_package_has_a_lower_bound() -> None:
    bounds = {str(each): {specifier.operator for specifier in each.specifier} for each in requirements()}
    assert len(bounds) > 40
    assert [line for line, operators in bounds.items() if not operators & {"==", ">="}] == []


def test_the_lock_has_one_version_of_all_that_we_ask_for_on_each_system_and_python() -> None:
    wanted = {canonicalize_name(each.name): each.specifier for each in requirements() if each.name != "torch"}
    for platform, name, machine in SYSTEMS:
        for python in ("3.11.4", "3.12.0", "3.13.0", "3.14.0"):
            system = {"sys_platform": platform, "os_name": name, "platform_machine": machine}
            system |= {"python_full_version": python, "python_version": python.rpartition(".")[0]}
            here = [each for each in LOCK if each.marker is None or each.marker.evaluate(system)]
            versions = {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in here}
            assert len(versions) == len(here)
            assert {name: bound for name, bound in wanted.items() if not bound.contains(versions[name])} == {}


def test_the_lock_names_no_host_and_leaves_the_build_of_torch_open() -> None:
    text = (ROOT / "lock.txt").read_text(encoding="utf-8")
    assert "://" not in text and "--" not in text
    assert [each.name for each in LOCK if re.match(r"torch$|nvidia-|cuda-|triton", each.name)] == []
    assert all(re.fullmatch(r"==[^*,]+", str(each.specifier)) for each in LOCK)
