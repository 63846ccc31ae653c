# SPDX-License-Identifier: Apache-2.0
"""groups.csv: read as it is meant, or one line; groups are never on two sides."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m2r2_ros.datasets.groups import (
    Groups,
    add_groups,
    find_groups,
    read_groups,
    recorded_groups,
    write_groups,
)
from m2r2_ros.errors import M2R2Error

# What a recording and a group may be called; the file's own marks are among it.
NAMES = st.text(
    st.sampled_from(string.ascii_letters + string.digits + " _-.,;\"'äß水"), min_size=1, max_size=12
).map(str.strip)
TABLES = st.dictionaries(
    NAMES.filter(bool), NAMES.filter(lambda name: name not in ("", ".", "..", "0")), min_size=1
)


@settings(max_examples=200, deadline=None)
@given(TABLES)
def test_what_is_written_is_read(tmp_path_factory, groups):
    folder = tmp_path_factory.mktemp("groups", numbered=True)
    write_groups(folder, groups)
    assert read_groups(folder / "groups.csv") == groups


@pytest.mark.parametrize("seed", range(20))
def test_files_of_other_programs_are_read(seed, tmp_path):
    """Any line end, order of columns, further columns, marks, quotes, blank lines."""
    choose = random.Random(seed)
    groups = {f"rgb-{n:02d}": choose.choice(["anna", "müller, b", "c"]) for n in range(8)}
    columns = ["recording", "group", *choose.sample(["day", "notes"], choose.randrange(3))]
    choose.shuffle(columns)
    end = choose.choice(["\n", "\r\n"])
    lines = [",".join(choose.choice([str.title, str.upper, str.lower])(c) for c in columns)]
    for recording, group in groups.items():
        cells = {"recording": recording, "group": f'"{group}"', "day": "3", "notes": '"a, b"'}
        lines.append(",".join(cells[c] for c in columns))
        lines += [""] * choose.randrange(2)
    text = end.join(lines) + end * choose.randrange(3)
    encoding = choose.choice(["utf-8", "utf-8-sig"])
    (tmp_path / "groups.csv").write_bytes(text.encode(encoding))
    assert read_groups(tmp_path / "groups.csv") == groups


HOSTILE = {
    "empty": ("", "first line must name the columns recording,group"),
    "no header": ("a,b\nc,d\n", "first line must name the columns"),
    "misspelt": ("recording,groups\na,b\n", "has 'group' 0 times (did you mean 'groups'?)"),
    "twice a column": ("recording,group,group\na,b,c\n", "has 'group' 2 times"),
    "no rows": ("recording,group\n\n", "names no recording"),
    "short row": ("recording,group\na\n", "line 2: 'a' has no recording and group"),
    "no group": ("recording,group\na,\n", "line 2: '' is no name of a group"),
    "no recording": ("recording,group\n ,b\n", "line 2: names no recording"),
    "twice": ("recording,group\na,b\na,b\n", "names 'a' twice"),
    "up": ("recording,group\na,..\n", "line 2: '..' is no name of a group"),
    "path": ("recording,group\na,../../etc\n", "is no name of a group"),
    "other path": ("recording,group\na,b\\c\n", "is no name of a group"),
    "control": ("recording,group\na,b\x1b[2J\n", "is no name of a group"),
    "long": (f"recording,group\na,{'b' * 300}\n", "is no name of a group"),
    "none": ("recording,group\na,0\n", "a group cannot be called 0"),
    "quote": ('recording,group\na,"b\n', "not CSV"),
    "NUL": ("recording,group\na,b\0\n", "groups.csv: line 2: "),
    "long cell": (f"recording,group\na,{'b' * 200_000}\n", "not CSV: field larger than"),
}


@pytest.mark.parametrize("text, message", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_table_of_groups_is_one_line(text, message, tmp_path):
    (tmp_path / "groups.csv").write_text(text)
    with pytest.raises(M2R2Error) as caught:
        read_groups(tmp_path / "groups.csv")
    said = str(caught.value)
    assert message in said and "groups.csv" in said and "\n" not in said and len(said) < 500


def test_no_bytes_are_a_traceback(tmp_path):
    for seed in range(300):
        choose = random.Random(seed)
        good = b"recording,group\na,b\nc,d\n"
        data = bytearray(good if seed % 2 else choose.randbytes(60))
        for _ in range(choose.randrange(1, 4)):
            data[choose.randrange(len(data))] = choose.randrange(256)
        (tmp_path / "groups.csv").write_bytes(data)
        try:
            assert read_groups(tmp_path / "groups.csv")
        except M2R2Error as error:
            assert "groups.csv" in str(error)


def test_a_folder_and_a_missing_line_are_one_line(tmp_path):
    write_groups(tmp_path, {"rgb-01": "anna", "rgb-03": "b"})
    with pytest.raises(M2R2Error, match=r"no line for recording 'rgb-02' \(did you mean 'rgb-0"):
        find_groups(tmp_path, ["rgb-01", "rgb-02"])
    (tmp_path / "other" / "groups.csv").mkdir(parents=True)
    with pytest.raises(M2R2Error, match=r"groups\.csv: Is a directory"):
        find_groups(tmp_path / "other", ["a"])


def test_without_groups_each_recording_is_one(tmp_path):
    found = find_groups(tmp_path, ["b", "a"])
    assert found.members(["b", "a"]) == {"a": ["a"], "b": ["b"]}
    assert "has no groups.csv: each recording is a group of its own" in found.assumed
    write_groups(tmp_path, dict.fromkeys("abc", "anna"))
    found = find_groups(tmp_path, ["b", "a"])
    assert found.members(["b", "a"]) == {"a": ["a"], "b": ["b"]}
    assert found.assumed.startswith("all recordings are of group 'anna'")
    write_groups(tmp_path, {"a": "anna", "b": "bert", "c": "bert"})
    found = find_groups(tmp_path, ["c", "b", "a"])
    assert found.members(["c", "b", "a"]) == {"anna": ["a"], "bert": ["c", "b"]}
    assert not found.assumed
    assert found.among(["c", "b"], "training recordings").of == {"b": "b", "c": "c"}
    assert not found.among(["a", "b"], "").assumed


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=3, max_size=30), st.data())
def test_members_are_a_partition_and_overlaps_are_named(numbers, data):
    groups = Groups({f"r{i}": f"g{n}" for i, n in enumerate(numbers)})
    names = data.draw(st.permutations(list(groups.of)))
    members = groups.members(names)
    assert sorted(name for each in members.values() for name in each) == sorted(names)
    assert list(members) == sorted(members)
    cut = data.draw(st.integers(1, len(names) - 1))
    one, other = names[:cut], names[cut:]
    both = {groups.of[n] for n in one} & {groups.of[n] for n in other}
    if not both:
        groups.check_apart(training=one, test=other)
        return
    with pytest.raises(M2R2Error, match=f"group '{min(both)}' is in training .* and in test"):
        groups.check_apart(training=one, test=other)


def test_groups_of_recordings_are_those_beside_them_or_their_folders(tmp_path):
    for path in ("day1/a.h5", "day1/b.h5", "day2/c.h5", "loose.h5"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    grouped = {path.stem: path for path in sorted(tmp_path.glob("*/*.h5"))}
    loose = {"loose": tmp_path / "loose.h5"}
    by_folder = {"a": "day1", "b": "day1", "c": "day2"}
    assert recorded_groups(grouped, [tmp_path]) == by_folder
    # The folders themselves, or files, were given: nothing says that they are groups.
    assert recorded_groups(grouped, [tmp_path / "day1", tmp_path / "day2"]) == {}
    assert recorded_groups(loose, [tmp_path]) == {}
    with pytest.raises(M2R2Error, match=r"loose\.h5: is in no group, and others are"):
        recorded_groups(grouped | loose, [tmp_path])
    write_groups(tmp_path / "day1", {"a": "anna", "b": "bert"})
    write_groups(tmp_path / "day2", {"c": "anna"})
    assert recorded_groups(grouped, list(grouped.values())) == dict(a="anna", b="bert", c="anna")
    write_groups(tmp_path, {"a": "x", "b": "y", "c": "y"})
    assert recorded_groups(grouped, [tmp_path]) == {"a": "x", "b": "y", "c": "y"}
    write_groups(tmp_path, {"a": "x", "b": "y"})
    with pytest.raises(M2R2Error, match=r"groups\.csv: has no line for recording 'c'"):
        recorded_groups(grouped, [tmp_path])


def test_groups_are_added_to_those_that_are_there(tmp_path):
    add_groups(tmp_path, {"a": "x"})
    add_groups(tmp_path, {"a": "x", "b": "y"})
    assert read_groups(tmp_path / "groups.csv") == {"a": "x", "b": "y"}
    with pytest.raises(M2R2Error, match="'a' is in group 'x' there and in 'z' where its recording"):
        add_groups(tmp_path, {"a": "z"})
