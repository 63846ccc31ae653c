# SPDX-License-Identifier: Apache-2.0
"""The Python API that programs use, from signatures and docstrings; nothing is imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from markdown_text import block, paragraphs, plain

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "reference/python"
# A page -> what it is for, and the modules on it.
PAGES = {
    "client": ("for a planner, in any rclpy node", ("client", "client/behaviours")),
    "offline": (
        "a recording through the chain of the robot",
        ("offline/segmentation", "offline/deployment", "offline/extraction"),
    ),
    "recordings": (
        "what is read from any kind of file",
        ("datasets/source", "datasets/recording_source", "datasets/recording", "datasets/topics"),
    ),
    "models": (
        "exported graphs and what follows from their answers",
        ("inference/models", "inference/encoder", "inference/head", "inference/tracker"),
    ),
    "events": (
        "segments and labels",
        ("inference/segment_events", "inference/tracker_config", "vocabulary", "errors"),
    ),
    "scores": (
        "how right it is",
        ("evaluation/metrics", "evaluation/delay", "evaluation/segments", "evaluation/timeline"),
    ),
}

Definition = ast.ClassDef | ast.FunctionDef


def api_pages() -> dict[str, str]:
    pages = {
        f"{FOLDER}/{name}.md": "\n\n".join(page(name, *said)) + "\n" for name, said in PAGES.items()
    }
    rows = [f"* [{name}]({name}.md): {purpose}" for name, (purpose, _) in PAGES.items()]
    text = "# Python API\n\nEvery name here is imported from the module above it.\n\n"
    return {f"{FOLDER}/index.md": text + "\n".join(rows) + "\n", **pages}


def page(name: str, purpose: str, modules: tuple[str, ...]) -> Iterator[str]:
    yield f"# Python: {name}"
    yield f"{purpose[0].upper()}{purpose[1:]}."
    for module in modules:
        tree = parsed(module)
        yield f"## m2r2_ros.{module.replace('/', '.')}"
        yield paragraphs(ast.get_docstring(tree) or "")
        for definition in public(tree):
            yield from described(definition)


def parsed(module: str) -> ast.Module:
    path = ROOT / "m2r2_ros" / module
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text("utf-8"))


def public(tree: ast.Module) -> Iterator[Definition]:
    """What a module defines, or, where it only hands on, what it imports."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node
    if exported := exports(tree):
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module.startswith("m2r2_ros."):
                names = {alias.name for alias in node.names} & exported
                origin = parsed(node.module.removeprefix("m2r2_ros.").replace(".", "/"))
                yield from (entry for entry in public(origin) if entry.name in names)


def exports(tree: ast.Module) -> set[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def described(node: Definition) -> Iterator[str]:
    """A class with its entries and methods, or a function."""
    yield f"### {node.name}"
    if isinstance(node, ast.FunctionDef):
        yield block(signature(node), "python")
        yield paragraphs(ast.get_docstring(node) or "")
        return
    yield block("\n".join(heading(node)), "python")
    yield paragraphs(ast.get_docstring(node) or "")
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
            text = ast.get_docstring(method) or ""
            yield f"`{used(method)}`" + (f"\n: {plain(' '.join(text.split()))}" if text else "")


def heading(node: ast.ClassDef) -> Iterator[str]:
    """The class statement and its entries, or what its constructor takes."""
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    yield f"class {node.name}({bases})" if bases else f"class {node.name}"
    for entry in node.body:
        if isinstance(entry, ast.AnnAssign | ast.Assign) and not ast.unparse(entry).startswith("_"):
            yield f"    {ast.unparse(entry)}"
        elif isinstance(entry, ast.FunctionDef) and entry.name == "__init__":
            yield f"    {signature(entry)}"


def used(method: ast.FunctionDef) -> str:
    """How one writes it behind the object: a property is no call."""
    if any(ast.unparse(entry).endswith("property") for entry in method.decorator_list):
        return f"{method.name}: {ast.unparse(method.returns)}"
    return signature(method)


def signature(node: ast.FunctionDef) -> str:
    """As one calls it: without `self` and `cls`."""
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    given = re.sub(r"^(self|cls)(, |$)", "", ast.unparse(node.args))
    return f"{node.name}({given}){returns}"
