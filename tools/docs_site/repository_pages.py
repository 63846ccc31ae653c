# SPDX-License-Identifier: Apache-2.0
"""Files of the repository outside of docs/ that pages link to, as pages of the site.

The site needs no code host: a linked page is rendered, another linked file is shown as it is, and
of a folder its files.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from markdown_text import block, plain, python_markdown, table

ROOT = Path(__file__).resolve().parents[2]
DOCS = "docs"
# The folder of the site in which these pages are.
REPOSITORY = "repository"
# In the navigation, whether or not a page links to them.
NAMED = ("README.md", "CHANGELOG.rst", "CONTRIBUTING.md", "QUALITY_DECLARATION.md")
NAMED += ("models/taskboard_compact/model_card.md", "models/roboact_compact/model_card.md")
NAMED += ("recordings/README.md",)

# What the reference shows of a file that pages link to; of the others their text is shown.
REFERENCE = {
    r"m2r2_ros/cli": "reference/commands/index.md",
    r"m2r2_ros/cli/([a-z]\w*)\.py": r"reference/commands/\1.md",
    r"m2r2_ros/nodes/parameters\.py": "reference/parameters.md",
    r"launch/.*": "reference/launch.md",
    r"m2r2_msgs/\w+/(\w+)\.\w+": r"reference/messages.md#\1",
}

LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]*)(#[^)\s]*)?(?=\))")
FENCED = re.compile(r"(^ *(`{3,}).*?^ *\2`*$)", re.M | re.S)
PICTURES = (".png", ".svg", ".gif", ".jpg")
UNSEARCHED = "---\nsearch: {exclude: true}\n---\n\n"
LANGUAGES = {".py": "python", ".yaml": "yaml", ".xml": "xml", ".hpp": "cpp", ".toml": "toml"}


def repository_pages() -> dict[str, str | bytes]:
    """The pages that are named or linked to, directly or by one of them."""
    pages: dict[str, str | bytes] = {}
    waiting = [*NAMED, *(path for page in docs() for path in linked(page))]
    while waiting:
        path = waiting.pop()
        uri = place_of(path)
        if uri not in pages and uri.startswith(f"{REPOSITORY}/") and (ROOT / path).exists():
            pages[uri] = shown(path)
            if path.endswith(".md"):
                waiting += linked(path)
    return pages


def docs() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in (ROOT / DOCS).rglob("*.md")]


def place_of(path: str) -> str:
    """Where a file or folder of the repository is in the site."""
    for pattern, uri in REFERENCE.items():
        if found := re.fullmatch(pattern, path):
            place, hash_, name = found.expand(uri).partition("#")
            return f"{place}{hash_}{name.lower()}"
    if (ROOT / path).is_dir():
        return join(REPOSITORY, path, "index.md")
    if path.startswith(f"{DOCS}/"):
        return path.removeprefix(f"{DOCS}/")
    return join(REPOSITORY, path if path.endswith((".md", *PICTURES)) else f"{path}.md")


def origin_of(uri: str) -> str:
    """The file of the repository that a page of the site shows: its links are relative to it."""
    if not uri.startswith(f"{REPOSITORY}/"):
        return join(DOCS, uri)
    path = uri.removeprefix(f"{REPOSITORY}/")
    return path if (ROOT / path).exists() else path.removesuffix(".md")


def site_text(text: str, uri: str) -> str:
    """A page's text with links to where their targets are in the site, in the site's Markdown."""
    origin = dirname(origin_of(uri))

    def target(found: re.Match[str]) -> str:
        path = normpath(join(origin, found[1]))
        if not (ROOT / path).exists():
            # A generated page, or one that is missing, which mkdocs reports.
            return found[0]
        return relpath(place_of(path), dirname(uri) or ".") + (found[2] or "")

    parts = FENCED.split(text)
    # Between two blocks stand the block and its fence.
    parts[::3] = [python_markdown(LINK.sub(target, part)) for part in parts[::3]]
    del parts[2::3]
    return "".join(parts)


def linked(page: str) -> Iterator[str]:
    """The files of the repository to which a page links."""
    text = FENCED.sub("", (ROOT / page).read_text("utf-8"))
    for path, _ in LINK.findall(text):
        yield normpath(join(dirname(page), path))


def shown(path: str) -> str | bytes:
    """The page of a file or folder; a picture is itself."""
    file = ROOT / path
    if file.suffix in PICTURES:
        return file.read_bytes()
    if file.is_dir():
        return f"{UNSEARCHED}# {path}/\n\n{folder(file)}\n"
    text = text_of(file)
    if file.suffix == ".md":
        return text
    if file.suffix == ".rst":
        return change_log(text)
    name = LANGUAGES.get(file.suffix, "text")
    return f"{UNSEARCHED}# {path}\n\n{block(text.rstrip(), name)}\n"


def text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        return f"{file.stat().st_size:,} bytes that are no text"


def folder(path: Path) -> str:
    """Python files by what they are for, small text files as they are."""
    modules = sorted(path.glob("[!_]*.py"))
    if modules:
        return table(["file", ""], [(f"`{file.name}`", plain(summary(file))) for file in modules])
    texts = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".json", ".md"))
    return "\n\n".join(
        f"## {file.name}\n\n{block(file.read_text('utf-8').rstrip())}" for file in texts
    )


def summary(file: Path) -> str:
    return (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "").partition("\n")[0]


def change_log(text: str) -> str:
    """The reStructuredText of a ROS change log: a title, underlined versions, lists."""
    text = re.sub(r"^\^+\n(.*)\n\^+$", r"# \1", text, flags=re.M)
    text = re.sub(r"^(.+)\n-+$", r"## \1\n", text, flags=re.M)
    return text.replace("``", "`")
