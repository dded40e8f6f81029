"""environment.yml and the README say what pyproject.toml says."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_environment_has_the_same_python_and_installs_every_extra() -> None:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert f"python{PROJECT['requires-python']}" in text
    assert re.findall(r"-e \.\[(\w+)\]", text) == ["all"]
    assert {"lab", "browser"} <= set(re.findall(r"\w+", PROJECT["optional-dependencies"]["all"][0]))


def test_every_dependency_has_a_floor_and_a_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    wanted = [*PROJECT["dependencies"], *(entry for extra in ("lab", "browser") for entry in PROJECT["optional-dependencies"][extra])]
    for entry in wanted:
        line = next(line for line in lines if f'"{entry}"' in line)
        assert ">=" in entry, entry
        assert "# " in line, entry


def test_the_readmes_commands_use_extras_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    used = set(re.findall(r'pip install -e "\.\[(\w+)\]"', text))
    assert {"lab", "test"} <= used
    assert used <= set(PROJECT["optional-dependencies"])
