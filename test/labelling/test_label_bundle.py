# SPDX-License-Identifier: Apache-2.0
"""The page that ships is made of the sources beside it, small, and from nowhere else."""

import hashlib
import json
import re
from pathlib import Path

from source_tree import PACKAGE, setup_arguments

PAGE, BUNDLE = PACKAGE / "labelling" / "page", PACKAGE / "labelling" / "bundle"
SOURCES = {".js", ".mjs", ".css", ".html", ".json"}


def sources() -> list[Path]:
    return sorted((p for p in PAGE.iterdir() if p.suffix in SOURCES), key=lambda path: path.name)


def test_the_bundle_is_made_of_the_sources():
    digest = hashlib.sha256()
    for path in sources():
        digest.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    stated = (BUNDLE / "sources.sha256").read_text().strip()
    assert digest.hexdigest() == stated, f"in {PAGE}: npm ci && npm run build"


def test_the_bundle_is_small_and_says_whose_it_is():
    assert sum(path.stat().st_size for path in BUNDLE.iterdir()) < 1_000_000
    packages = json.loads((PAGE / "package.json").read_text())["dependencies"]
    licences = (BUNDLE / "LICENSES.txt").read_text().lower()
    assert all(name in licences for name in packages)
    assert "permission is hereby granted" in licences
    assert "bundle/*" in setup_arguments()["package_data"]["m2r2_ros.labelling"]


def test_nothing_is_fetched_from_elsewhere():
    for path in (*sources(), *BUNDLE.iterdir()):
        if path.name != "LICENSES.txt":
            found = re.findall(r"https?://[\w.]+", path.read_text())
            assert not set(found) - {"http://www.w3.org"}, path.name
    for path in sources():
        if path.suffix in (".js", ".mjs"):
            assert path.read_text().startswith("// SPDX-License-Identifier: Apache-2.0\n")
