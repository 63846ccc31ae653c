# SPDX-License-Identifier: Apache-2.0
"""What the package opens beside its modules is installed with it."""

from pathlib import PurePosixPath

from source_tree import ROOT, setup_arguments

# Of the page of m2r2 label the bundle that is built from these is installed.
SOURCES = "labelling/page"


def test_templates_tables_and_definitions_are_installed():
    arguments = setup_arguments()
    packages = set(arguments["packages"])
    lost = []
    for file in (ROOT / "m2r2_ros").rglob("*"):
        inside = PurePosixPath(file.relative_to(ROOT).as_posix())
        if file.suffix in (".html", ".yaml", ".xml", ".js", ".css") and SOURCES not in str(inside):
            owner = next(p for p in inside.parents if str(p).replace("/", ".") in packages)
            package = str(owner).replace("/", ".")
            given = arguments["package_data"]
            patterns = [*given[""], *given.get(package, [])]
            rest = inside.relative_to(owner)
            if not any(
                len(PurePosixPath(p).parts) == len(rest.parts) and rest.match(p) for p in patterns
            ):
                lost.append(str(inside))
    assert lost == []
