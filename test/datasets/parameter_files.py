# SPDX-License-Identifier: Apache-2.0
"""Parameter files by chance: every form of a value, a name and a section that people write."""

from __future__ import annotations

import random

_PLAIN = """
1 -7 +5 010 08 00 0 -0 0x1F -0x10 +010 0x 0xg 0b11 0o17 1_000 99999999999999999999
-9223372036854775808 9223372036854775808 1.0 1e1 1E5 .5 5. 1.e3 1e 1e+ 0.1e-2 1e999 1e-320 1e308
0x1p3 0x1.8 0x.8p1 .nan .NaN +.nan nan nan(1) .inf -.inf +.Inf -inf Infinity -.NaN
true True TRUE tRue t y Y yes on On oN no N off ~ null x é - -- = << --5 e3 .e3 1.2.3 127.0.0.1
/wrist/wrench 2020-01-01 'on' '1' '' 'a\'\'b' "2.5" "a\\tb" "\\u00e9" !!str
"""
_OTHERS = ("!!str 1", "!!str on", "!!int 3", "!!float 3", "!x 4", "! 5", "! on", "&b 3", "1 # c")
VALUES = (*_PLAIN.split(), *_OTHERS, "", "a b")

_LISTS = (
    ("1", "2", "-3", "0x10"),
    ("1.0", "1e1", ".inf", "2."),
    ("a", "b", "'1'", "/x"),
    ("on", "true", "no"),
    VALUES,
)
_NAMES = ("a", "b", "t", "t.x", "t.y", "joints", "'q k'", "1", "on", "max_force_n", "x/y", "<<")
_NODES = """
/** /* /tester tester /**/tester /*/tester /arm1/tester arm1/tester /arm1/* /arm1/** /other **
'*' /**/* /*/** /arm1/**/tester /a1/b_2/** /test /**/arm1/tester
"""
_SECTIONS = tuple(_NODES.split())


def parameter_file(seed: int) -> str:
    """A file for a node `tester`; not every one is valid."""
    chance = random.Random(seed)
    return "".join(_section(chance) for _ in range(chance.choice([1, 1, 1, 2, 2, 3, 4])))


def _section(chance: random.Random) -> str:
    name, kind = chance.choice(_SECTIONS), chance.random()
    if kind < 0.8:
        return f"{name}:\n  ros__parameters:\n{_parameters(chance, '    ')}"
    if kind < 0.9:
        place = chance.choice(["arm1", "/arm1", "/**", "/arm1/"])
        node = chance.choice(["tester", "other", "/tester", "'*'"])
        return f"{place}:\n  {node}:\n    ros__parameters:\n{_parameters(chance, '      ')}"
    if kind < 0.96:
        return chance.choice([f"{name}: {{ros__parameters: {{}}}}\n", f"{name}: {{}}\n", "---\n"])
    return f"{name}: {{ros__parameters: {{a: {_value(chance)}, b: {_value(chance)}}}}}\n"


def _parameters(chance: random.Random, indent: str) -> str:
    lines = ""
    for _ in range(chance.choice([1, 1, 2, 3, 4])):
        start, kind = indent + chance.choice(_NAMES), chance.random()
        if kind < 0.12:
            lines += f"{start}:\n{_parameters(chance, indent + '  ')}"
        elif kind < 0.2:
            entries = chance.choices(["a", "b", "1", "2.5"], k=chance.choice([1, 2, 3]))
            lines += f"{start}:\n" + "".join(f"{indent}  - {entry}\n" for entry in entries)
        elif kind < 0.25:
            text = chance.choice(["1", "x", "on", f"x\n{indent}  y"])
            lines += f"{start}: {chance.choice(['|', '|-', '>-', '>'])}\n{indent}  {text}\n"
        else:
            lines += f"{start}: {_value(chance)}\n"
    return lines


def _value(chance: random.Random, depth: int = 0) -> str:
    kind, count = chance.random(), chance.choice([0, 1, 1, 2, 3, 3])
    if kind < 0.65 or depth > 2:
        return chance.choice(VALUES)
    if kind < 0.85:
        return f"[{', '.join(chance.choices(chance.choice(_LISTS), k=count))}]"
    pairs = [f"{chance.choice(_NAMES)}: {_value(chance, depth + 1)}" for _ in range(count)]
    return f"{{{', '.join(pairs)}}}"
