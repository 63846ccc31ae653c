# SPDX-License-Identifier: Apache-2.0
"""The site's Markdown, by the renderer that the site has."""

from __future__ import annotations

import html
import re

import pytest
from api_pages import api_pages
from command_pages import command_pages
from hypothesis import given
from hypothesis import strategies as st
from markdown_text import code, paragraphs, plain, python_markdown, table
from repository_pages import change_log, place_of, shown, site_text
from source_tree import ROOT

markdown = pytest.importorskip("markdown")


def rendered(text: str) -> str:
    return markdown.markdown(text, extensions=["tables", "sane_lists", "pymdownx.superfences"])


def text_in(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


MARKUP = st.text(st.sampled_from("ab <>*_[]()|&`'\"#{}%\\"), min_size=1).map(str.strip)


@given(MARKUP, MARKUP)
def test_what_the_code_says_is_shown_as_it_is(name, meaning):
    """Whatever a default or a help text holds, a table's row keeps its two cells."""
    meaning = meaning.replace("`", "").replace("\\", "")
    page = rendered(table(["one", "two"], [(code(name), plain(meaning)), ("end", "end")]))
    first, second = re.findall(r"<td>(.*?)</td>", page, re.S)[:2]
    assert page.count("<td>") == 4
    assert text_in(second) == " ".join(meaning.split())
    assert text_in(first).replace(" ", "") == "".join(name.split())


@pytest.mark.parametrize(
    ("text", "lists", "entries"),
    [
        ("Three:\n* a\n* b\n  goes on\n* c\n", 1, 3),
        ("Two:\n1. a\n\n   more of it\n\n2. b\n", 1, 2),
        ("## Heading\n- a\n- b\n\nEnd.\n", 1, 2),
        ("A line with 3 *\n* a\n", 1, 1),
    ],
)
def test_lists_are_lists_as_on_a_code_host(text, lists, entries):
    page = rendered(python_markdown(text))
    assert len(re.findall("<[uo]l>", page)) == lists and page.count("<li>") == entries


def test_links_lead_to_the_same_file_in_the_site():
    text = "[a](../README.md#two-commands) [b](sensors.md) ![c](demo.gif) [d](https://x.y)\n"
    shown = site_text(text + "```\n[e](../README.md)\n```\n", "operations.md")
    assert "(repository/README.md#two-commands) [b](sensors.md) ![c](demo.gif)" in shown
    assert "[d](https://x.y)" in shown and "[e](../README.md)" in shown
    assert place_of("m2r2_ros/cli/segment.py") == "reference/commands/segment.md"
    assert place_of("m2r2_msgs/msg/ActionSegment.msg") == "reference/messages.md#actionsegment"
    assert place_of("config/training") == "repository/config/training/index.md"


def test_any_file_can_be_linked_to():
    assert shown("docs/timeline.png") == (ROOT / "docs" / "timeline.png").read_bytes()
    assert place_of("models/x/scores.png") == "repository/models/x/scores.png"
    assert "bytes that are no text" in shown("recordings/taskboard_demo.h5")
    assert "window_rate_hz" in shown("config/layouts")
    assert "`segment.py` | Segment recordings" in shown("m2r2_ros/cli")


def test_a_docstring_keeps_what_somebody_has_aligned():
    text = paragraphs("First <line>.\n\nname     what it is\nother    the same\n")
    assert text.startswith("First &lt;line>.") and "````text\nname     what it is" in text


def test_the_change_log_is_a_page():
    page = rendered(change_log((ROOT / "CHANGELOG.rst").read_text("utf-8")))
    assert "<h1>Changelog for package m2r2_ros</h1>" in page and "<h2>Forthcoming</h2>" in page
    assert page.count("<li>") > 50 and "``" not in page


def test_a_property_is_shown_as_one():
    page = api_pages()["reference/python/client.md"]
    assert "`restarts: int`\n: How often" in page and "`lost: int`" in page
    assert "`close() -> None`" in page and "restarts()" not in page


def test_every_argument_says_what_it_means():
    for place, page in command_pages().items():
        rows = [line for line in page.splitlines() if line.startswith("| ")]
        assert [row for row in rows if re.search(r"\|\s*\|$", row)] == [], place
