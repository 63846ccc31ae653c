# SPDX-License-Identifier: Apache-2.0
"""The recipes for other machines, which are not built here, ask for what setup.py asks for."""

from __future__ import annotations

import re

import pytest
from source_tree import ROOT, setup_arguments


def test_pixi_asks_for_what_the_nodes_import():
    tomllib = pytest.importorskip("tomllib", reason="comes with Python 3.11")
    recipe = tomllib.loads((ROOT / "pixi.toml").read_text())
    wanted = setup_arguments()["install_requires"]
    assert recipe["workspace"]["name"] == setup_arguments()["name"]
    assert {f"{name}{bound}" for name, bound in recipe["pypi-dependencies"].items()} == {
        requirement for requirement in wanted if requirement != "setuptools"
    }


def test_the_image_installs_what_the_readme_says():
    """`pip install` of what apt has not, into a virtual environment that sees what it has."""
    (line,) = re.findall(r"^pip install ([\w ]+?) *(?:#.*)?$", readme(), re.MULTILINE)
    assert f"pip install --no-cache-dir {line}\n" in (ROOT / "Dockerfile").read_text()


def readme() -> str:
    return (ROOT / "README.md").read_text()


def test_what_is_not_built_says_so():
    for name in ("Dockerfile", "pixi.toml"):
        assert "NOT BUILT" in (ROOT / name).read_text()


def test_the_image_gets_no_build_folders():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".venv", "build", "install", "log", "out"} <= set(ignored)
