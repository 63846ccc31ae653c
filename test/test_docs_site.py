# SPDX-License-Identifier: Apache-2.0
"""The documentation site: built strictly once, then every link, and what the reference holds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from source_tree import ROOT
from test_pages import launch_arguments, parser_of

from m2r2_ros.cli.main import verbs
from m2r2_ros.nodes import parameters

BUILD = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir"]
# What a browser loads for a page by itself.
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """The names that a page has, where its links lead, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.names |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.add(given["href"])
        if given.get(LOADED.get(tag, "")) and given.get("rel") != "canonical":
            self.loaded.add(given[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    command = [*BUILD, str(folder)]
    made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def test_every_link_and_anchor_leads_somewhere(site, pages):
    lost = []
    for path, page in pages.items():
        for link in page.links | page.loaded:
            if re.match(r"(https?|mailto|data):", link) or path.name == "404.html":
                continue
            place, _, name = unquote(link).partition("#")
            target = (path.parent / place).resolve() if place else path
            target = target / "index.html" if target.is_dir() else target
            known = pages[target].names if target in pages else set()
            if not target.is_file() or (name and name not in known):
                lost.append(f"{path.relative_to(site)}: {link}")
    assert lost == []


def test_nothing_is_loaded_from_elsewhere(site, pages):
    assert not [link for page in pages.values() for link in page.loaded if "//" in link]
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import\s*)[\"']?https?:", sheet.read_text("utf-8")), sheet


def text_of(page: Path) -> str:
    return re.sub(r"<[^>]+>", "", page.read_text("utf-8"))


def test_every_argument_of_every_command_is_in_the_reference(site):
    for verb in verbs():
        text = text_of(site / "reference" / "commands" / f"{verb}.html")
        for action in parser_of(verb)._actions:
            names = action.option_strings or action.choices or [action.metavar or action.dest]
            assert all(name in text for name in names), f"m2r2 {verb}: {names}"


def test_every_parameter_and_launch_argument_is_in_the_reference(site):
    text = (site / "reference" / "parameters.html").read_text("utf-8")
    lost = [name for name in parameters.ALL_NAMES if f"<code>{name}</code>" not in text]
    assert lost == []
    text = (site / "reference" / "launch.html").read_text("utf-8")
    for path in (ROOT / "launch").glob("*.launch.py"):
        assert all(f"<code>{name}:=</code>" in text for name in launch_arguments(path.name))


def test_every_field_of_every_message_is_in_the_reference(site):
    text = " ".join(text_of(site / "reference" / "messages.html").split())
    for path in (ROOT / "m2r2_msgs").glob("*/*.*"):
        if path.suffix in (".msg", ".srv", ".action"):
            for field in re.findall(r"^\w[\w/\[\]]* \w+", path.read_text("utf-8"), re.M):
                assert field in text, f"{path.name}: {field}"


def test_every_setting_is_in_the_reference(site):
    """docs/settings.md is compared with the settings by its own test."""
    written = re.findall(
        r"^\| `(\w+)` \|", (ROOT / "docs" / "settings.md").read_text("utf-8"), re.M
    )
    text = (site / "settings.html").read_text("utf-8")
    assert len(written) > 100 and all(f"<code>{name}</code>" in text for name in written)
