# SPDX-License-Identifier: Apache-2.0
"""Pages name what is there: links lead somewhere, and programs would take every command."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from make_badges import badges
from pages import FENCE, PAGES, commands, name_of
from PIL import Image
from source_tree import ROOT, executables, setup_arguments

from m2r2_ros import __version__
from m2r2_ros.cli.main import verbs

WIDTH = 120
README = (ROOT / "README.md").read_text("utf-8")

INLINE = re.compile(r"`(m2r2 [a-z]+[^`]*)`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
# What stands for one of several things, or may be left out, has no place in a parsed command.
PLACEHOLDER = re.compile(r"\.\.\.|\[")


def examples(verb: str) -> list[str]:
    """The commands under "Examples:" in a verb's help."""
    text = importlib.import_module(f"m2r2_ros.cli.{verb}").__doc__.partition("Examples:")[2]
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise AssertionError(f"{self.prog}: {message}")


def parser_of(verb: str) -> argparse.ArgumentParser:
    assert verb in verbs(), f"there is no verb '{verb}'"
    parser = Parser(prog=f"m2r2 {verb}")
    importlib.import_module(f"m2r2_ros.cli.{verb}").add_arguments(parser)
    return parser


def launch_arguments(name: str) -> set[str]:
    """The keys of a launch file's ARGUMENTS."""
    for node in ast.parse((ROOT / "launch" / name).read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "ARGUMENTS":
            return {key.value for key in node.value.keys}
    raise AssertionError(f"{name} has no ARGUMENTS")


def check(command: str) -> None:
    """Raise AssertionError when the program would not take these words."""
    words = shlex.split(command, comments=True)
    match words:
        case ["m2r2" | ".venv/bin/m2r2", "--help" | "--version"]:
            pass
        case ["m2r2" | ".venv/bin/m2r2", verb, *rest]:
            if "--help" not in rest:
                parser_of(verb).parse_args(rest)
        case ["ros2", "launch", "m2r2_ros", file, *rest]:
            wrong = {word.partition(":=")[0] for word in rest} - launch_arguments(file)
            assert not wrong, f"{file} has no argument {sorted(wrong)}"
        case ["ros2", "run", "m2r2_ros", program, *_]:
            assert program in executables(), f"there is no program '{program}'"
        case ["make", *targets]:
            makefile = (ROOT / "Makefile").read_text()
            for target in (word for word in targets if "=" not in word):
                assert re.search(rf"^{target}:", makefile, re.M), f"make has no '{target}'"
        case _:
            return


def is_whole(command: str) -> bool:
    return not PLACEHOLDER.search(command) and " VERB" not in command


COMMANDS = [
    (page, command)
    for page in PAGES
    for command in commands(page)
    if re.match(r"(\.venv/bin/)?m2r2 |make |ros2 (run|launch) m2r2_ros", command)
]


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=name_of)
def test_every_command_of_a_page_would_be_taken(page, command):
    if is_whole(command):
        check(command)


@pytest.mark.parametrize("verb", verbs())
def test_every_example_of_a_verb_would_be_taken(verb):
    given = examples(verb)
    assert any(command.startswith("m2r2 ") for command in given)
    for command in given:
        check(command)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_the_text_name_verbs_and_flags_that_exist(page):
    """In a sentence a command may lack its arguments, so only names are compared."""
    for command in INLINE.findall(page.read_text("utf-8").replace("\n", " ")):
        verb, *rest = command.split()[1:]
        flags = {word.strip("[],.") for word in rest if word.strip("[").startswith("--")}
        known = {flag for action in parser_of(verb)._actions for flag in action.option_strings}
        assert flags <= known, f"m2r2 {verb} has no {sorted(flags - known)}"


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("m2r2 segment a.h5 --models m --jsn s.json", "required: --json"),
        ("m2r2 segmnt a.h5", "no verb 'segmnt'"),
        ("m2r2 evaluate --data d --split one --model m --json s.json", "invalid int value"),
        ("ros2 launch m2r2_ros online_segmentation.launch.py model:=m", "no argument"),
        ("ros2 run m2r2_ros synchroniser", "no program"),
        ("make dmo", "make has no 'dmo'"),
    ],
)
def test_a_wrong_command_is_noticed(command, problem):
    with pytest.raises(AssertionError, match=problem):
        check(command)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings_that_exist(page):
    for target in LINK.findall(page.read_text("utf-8")):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if heading:
            assert heading in anchors(file.read_text("utf-8")), f"{page.name} links to {target}"


def anchors(text: str) -> set[str]:
    """The names that a page's headings get on a code host."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_leads_to_every_page_of_the_docs():
    linked = {target.partition("#")[0] for target in LINK.findall(README)}
    assert {name_of(path) for path in (ROOT / "docs").glob("*.md")} <= linked


def places(nav: object) -> list[str]:
    """The pages that a site's navigation names, at any depth."""
    entries = nav if isinstance(nav, list) else nav.values() if isinstance(nav, dict) else ()
    return [nav] if isinstance(nav, str) else [page for entry in entries for page in places(entry)]


def test_the_site_leads_to_every_page_of_the_docs():
    named = places(yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"])
    there = {path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")}
    lost = sorted(there - set(named))
    assert not lost, f"add to nav: in mkdocs.yml, below its heading: {', '.join(lost)}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lines_fit_on_a_screen(page):
    """Rows of tables and pictures cannot be wrapped."""
    long = [
        f"{page.name}:{number}"
        for number, line in enumerate(page.read_text("utf-8").splitlines(), 1)
        if len(line) > WIDTH and not line.startswith(("|", "!["))
    ]
    assert not long


PATH = re.compile(r"`([\w./]+/[\w./]+\.\w+|[\w.]+\.(?:rst|cff))`")


def paths_of(page: Path) -> list[str]:
    """Files that a page names; NAME is one that does not exist yet."""
    return [path for path in PATH.findall(page.read_text("utf-8")) if "NAME" not in path]


def test_files_to_open_are_there():
    named = paths_of(ROOT / "docs" / "extending.md")
    assert len(named) > 50
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_places_to_change_are_named_by_every_entry():
    """Each entry has a line in the table, numbered files, and a test."""
    text = (ROOT / "docs" / "extending.md").read_text("utf-8")
    table, *entries = re.split(r"^## ", text, flags=re.M)
    assert len(entries) >= 13
    for entry in entries:
        title, _, body = entry.partition("\n")
        assert f"(#{anchors('# ' + title).pop()})" in table, title
        assert re.search(r"^1\. ", body, re.M) and re.search(r"\bTests?:\s`test/", body), title


def test_the_six_lines_of_the_readme_run(capsys, monkeypatch):
    (lines,) = (text for language, text in FENCE.findall(README) if language == "python")
    assert len(lines.splitlines()) == 6
    monkeypatch.chdir(ROOT)
    exec(compile(lines, "README.md", "exec"), {})
    printed = capsys.readouterr().out.split("\n")
    assert printed[0] == "No action" and "Insert USB" in printed


def test_the_figures_of_the_readme_are_those_of_the_shipped_models():
    """As `tools/shipped_figures.py` measured them."""
    text = (ROOT / "test" / "shipped_figures.json").read_text("utf-8")
    measured = json.loads(text)["figures"]["taskboard_compact"]["as shipped"]
    words = " ".join(README.split())
    for level, phrase in (
        ("coarse", "{f1@50:.1f} % on activities"),
        ("fine", "{f1@50:.1f} % with the right object"),
        ("coarse", "right activity of {recognised:.0f} % of the actions, {delay_s:.2f} s after"),
        ("fine", "the whole label of {recognised:.0f} %, after {delay_s:.2f} s"),
    ):
        figures = {key.partition(".")[2]: v for key, v in measured.items() if level in key}
        assert phrase.format(**figures) in words


def test_the_moving_picture_is_small_and_moves():
    path = ROOT / "docs" / "demo.gif"
    assert path.stat().st_size < 3e6
    with Image.open(path) as image:
        assert image.n_frames > 50


def test_badges_say_what_setup_says():
    made = badges(setup_arguments())
    there = {path.name: path.read_text("utf-8") for path in (ROOT / "docs/badges").iterdir()}
    assert there == made
    assert "3.10 | 3.11 | 3.12 | 3.13" in made["python.svg"] and "Kilted" in made["ros.svg"]


def test_the_citation_names_this_version_and_both_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == __version__ and citation["license"] == "Apache-2.0"
    titles = [entry["title"] for entry in citation["references"]]
    assert len(titles) == 2
    for title in titles:
        subject = title.partition(":")[2].strip()
        assert subject in README.replace("\n", " ")


def test_hooks_need_no_network():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    entries = [hook["entry"] for hook in hooks]
    # CI is `make test`, which is ruff and all tests.
    assert "make test" in entries and ".venv/bin/ruff check ." in entries
