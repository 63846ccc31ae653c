# SPDX-License-Identifier: Apache-2.0
"""What a browser would find in a page, by the parser of the standard library."""

from __future__ import annotations

from html.parser import HTMLParser

# Elements that have no end.
_VOID = {"meta", "img", "br", "hr", "link", "input"}
# Attributes by which a page fetches or leads to something else.
_ADDRESSES = ("src", "href", "action", "data", "poster", "srcset")


class Page(HTMLParser):
    """headings: texts in order. tables: rows of cells' texts. addresses: whatever is referred to.

    ids: of all elements. Raises ValueError when elements are not closed in order.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.addresses: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.elements: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        self.close()
        if self._open:
            raise ValueError(f"never closed: {self._open}")

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        self.addresses += [(tag, value) for name, value in attributes if name in _ADDRESSES]
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag in ("h1", "h2", "h3"):
            self.headings.append("")

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            raise ValueError(f"</{tag}> at {self.getpos()} closes nothing")

    def handle_data(self, text):
        inside = set(self._open)
        if inside & {"td", "th"}:
            self.tables[-1][-1][-1] += text
        elif inside & {"h1", "h2", "h3"}:
            self.headings[-1] += text
