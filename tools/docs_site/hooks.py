# SPDX-License-Identifier: Apache-2.0
"""What mkdocs asks for while it builds the site: generated pages, links, names of headings."""

from __future__ import annotations

import re
from functools import cache

from api_pages import api_pages
from command_pages import command_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from node_pages import node_pages
from repository_pages import REPOSITORY, repository_pages, site_text


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    config.mdx_configs.setdefault("toc", {})["slugify"] = anchor
    config.nav = filled(config.nav)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for uri, text in generated().items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    return site_text(markdown, page.file.src_uri)


@cache
def generated() -> dict[str, str | bytes]:
    """Every page or picture that is no file of docs/: its place in the site and its content."""
    return {**command_pages(), **node_pages(), **api_pages(), **repository_pages()}


def anchor(heading: str, separator: str) -> str:
    """The name that a code host gives to a heading, so that links hold in both places."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", separator)


def filled(nav: object) -> object:
    """`nav` with the generated pages in place of each entry that ends in a slash."""
    if isinstance(nav, list):
        return [filled(entry) for entry in nav]
    if isinstance(nav, dict):
        return {title: filled(entry) for title, entry in nav.items()}
    if not nav.endswith("/"):
        return nav
    found = [uri for uri in generated() if uri.startswith(nav) and REPOSITORY not in uri]
    return sorted(found, key=lambda uri: (not uri.endswith("index.md"), uri))
