# SPDX-License-Identifier: Apache-2.0
"""Make descriptions.jsonl: 1,000 made-up descriptions with known answers, from a fixed seed.

The first part is put together from the phrases below, in the manner of RH20T's task descriptions
and REASSEMBLE's labels; nothing of the parser is used. The others are held_out.txt and
held_out_later.txt, which were written by hand. Run it again after a change:
python3 test/annotation/make_descriptions.py
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent
COUNT = 1000
SEED = 20250422

# REASSEMBLE
ACTIVITIES = ("Pick", "Insert", "Remove", "Place")
PARTS = (
    *(f"{shape} peg {number}" for shape in ("round", "square") for number in range(1, 5)),
    *("BNC", "D-SUB", "USB", "Ethernet", "waterproof", "bolt 4"),
    *("large gear", "medium gear", "small gear"),
)

# RH20T: action as it is written before and after the object, and its answer; objects that it fits.
KITCHEN = (
    "cup",
    "wine glass",
    "ceramic bowl",
    "frying pan",
    "plastic plate",
    "soup spoon",
    "tea pot",
)
TOYS = (
    "toy dinosaur",
    "building block",
    "chess piece",
    "rubber ball",
    "dice",
    "red cube",
    "small doll",
)
OFFICE = ("stapler", "pencil", "notebook", "tape measure", "roll of tape", "pair of scissors")
DOORS = ("drawer", "cabinet door", "microwave door", "pencil case", "tool box", "book")
DEVICES = ("desk lamp", "electric fan", "radio", "water tap", "power strip", "hair dryer")
GRIPS = ("grasp", "grab", "hold", "push", "lift", "move", "shake", "rotate", "touch", "tilt")
PHRASES = (
    *((verb, "", verb, KITCHEN + TOYS + OFFICE) for verb in GRIPS),
    ("pick up", "", "pick up", KITCHEN + TOYS + OFFICE),
    ("pick", "up", "pick up", KITCHEN + TOYS + OFFICE),
    ("put", "down", "put down", KITCHEN + OFFICE),
    ("take", "out of the box", "take out", TOYS + OFFICE),
    ("put", "into the basket", "put", KITCHEN + TOYS),
    ("place", "on the shelf", "place", KITCHEN + OFFICE),
    ("throw", "into the bin", "throw", TOYS),
    ("put", "back on the rack", "put back", KITCHEN),
    ("move", "from the left to the right", "move", KITCHEN + TOYS + OFFICE),
    ("open", "", "open", DOORS),
    ("close", "", "close", DOORS),
    ("pull open", "", "pull open", DOORS[:3]),
    ("turn on", "", "turn on", DEVICES),
    ("turn off", "", "turn off", DEVICES),
    ("turn", "on", "turn on", DEVICES),
    ("switch", "off", "switch off", DEVICES),
    ("press", "", "press", ("red button", "power switch", "door bell", "space bar")),
    ("plug in", "", "plug in", ("power cord", "USB cable", "headphone jack")),
    ("unplug", "from the socket", "unplug", ("power cord", "USB cable", "phone charger")),
    ("pour", "into the pot", "pour", ("cup of water", "milk", "rice", "bag of beans")),
    ("wipe", "with a towel", "wipe", ("table", "white board", "kitchen counter")),
    ("cut", "with a knife", "cut", ("carrot", "slice of bread", "clay")),
    ("stack", "on top of each other", "stack", ("blocks", "three cups", "wooden cubes")),
    ("hang", "on the hook", "hang", ("coat", "mug", "bunch of keys")),
    ("screw", "into the hole", "screw", ("long bolt", "light bulb")),
    ("unscrew", "", "unscrew", ("bottle cap", "hex nut")),
    ("peel", "with the gripper", "peel", ("potato", "orange")),
    ("fold", "in half", "fold", ("napkin", "sheet of paper")),
    ("knock over", "", "knock over", ("bottle", "domino tiles")),
)
MANNERS = ("", "", "", "", " slowly", " carefully", " twice", " with the gripper", " on the table")
ORDERS = ("{}", "{}.", "{} ", "Please {}.", "{}!", "The task is to {}.", "now {}", "2) {}")
PARTICIPANTS = ("The robot", "The robot arm", "A robotic arm", "The gripper", "Robot")
PEOPLE = ("A person", "The operator", "A human hand", "The man")
LINKS = (" and ", ", then ", " and then ", ". Then ", "; ", ", and finally ")
SCENES = (
    "A {} and a {} on the table.",
    "{}, {}",
    "The {} is next to the {}.",
    "View of a {} and a {}",
)

FINITE = {"put": ("puts", "putting"), "cut": ("cuts", "cutting"), "grab": ("grabs", "grabbing")}


def make() -> list[dict[str, object]]:
    """All rows of the file."""
    rows = held_out("held_out.txt", "by hand") + held_out("held_out_later.txt", "by hand, later")
    dice = random.Random(SEED)
    seen = {row["description"] for row in rows}
    made = []
    while len(made) + len(rows) < COUNT:
        row = dice.choices(KINDS, WEIGHTS)[0](dice) | {"part": "made"}
        if row["description"] not in seen:
            seen.add(row["description"])
            made.append(row)
    return [{"video": f"clip_{i:04d}.mp4", **row} for i, row in enumerate(made + rows)]


def held_out(name: str, part: str) -> list[dict[str, object]]:
    """The rows of a file that was written by hand."""
    rows = []
    for line in (FOLDER / name).read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            description, _, answer = line.partition(" => ")
            rows.append({"description": description} | read_answer(answer) | {"part": part})
    return rows


def read_answer(answer: str) -> dict[str, object]:
    if answer in ("multiple", "none"):
        return {"answer": answer}
    subject, _, rest = answer.rpartition(": ")
    action, _, thing = rest.partition(" / ")
    return single(action, thing, subject or "Robot")


def single(action: str, thing: str, subject: str = "Robot") -> dict[str, object]:
    return {"answer": "single", "subject": subject, "action": action, "object": thing}


def reassemble(dice: random.Random) -> dict[str, object]:
    activity, part = dice.choice(ACTIVITIES), dice.choice(PARTS)
    ending = dice.choice((".", ".", "", " from the board.", " with the gripper."))
    return {"description": f"{activity} {part}{ending}"} | single(activity.lower(), part)


def order(dice: random.Random) -> dict[str, object]:
    text, action, thing = phrase(dice)
    return {"description": capital(dice, dice.choice(ORDERS).format(text))} | single(action, thing)


def told(dice: random.Random) -> dict[str, object]:
    by_robot = dice.random() < 0.7
    who = dice.choice(PARTICIPANTS if by_robot else PEOPLE)
    progressive = dice.random() < 0.4
    text, action, thing = phrase(dice, 1 if progressive else 0)
    sentence = f"{who} {'is ' if progressive else ''}{text}."
    return {"description": sentence} | single(action, thing, "Robot" if by_robot else "Human")


def phrase(dice: random.Random, finite: int | None = None) -> tuple[str, str, str]:
    """Text, action and object; `finite`: 0 third person, 1 -ing, None the bare verb."""
    before, after, action, things = dice.choice(PHRASES)
    thing = dice.choice(things)
    if finite is not None:
        verb, _, rest = before.partition(" ")
        before = f"{inflect(verb, finite)} {rest}".strip()
    article = dice.choice(("the ", "the ", "a ", "this ")) if not thing.endswith("s") else "the "
    manner = dice.choice(MANNERS) if not after or len(after.split()) == 1 else ""
    return f"{before} {article}{thing}{' ' + after if after else ''}{manner}", action, thing


def inflect(verb: str, finite: int) -> str:
    if verb in FINITE:
        return FINITE[verb][finite]
    if finite:
        return (
            f"{verb.removesuffix('e')}ing" if verb != "unplug" and verb != "plug" else f"{verb}ging"
        )
    return f"{verb}es" if verb.endswith(("s", "sh", "ch")) else f"{verb}s"


def several(dice: random.Random) -> dict[str, object]:
    count, finite = dice.choice((2, 2, 2, 3)), dice.choice((None, None, 0))
    texts = [phrase(dice, finite)[0] for _ in range(count)]
    text = texts[0] + "".join(dice.choice(LINKS) + text for text in texts[1:])
    if finite is not None:
        text = f"{dice.choice(PARTICIPANTS)} {text}"
    return {"description": capital(dice, text) + dice.choice(("", "."))} | {"answer": "multiple"}


def pair(dice: random.Random) -> dict[str, object]:
    first, second = dice.sample(("open", "close", "lift", "shake", "rotate", "push", "grasp"), 2)
    thing = dice.choice(KITCHEN + DOORS)
    return {"description": f"{first.capitalize()} and {second} the {thing}"} | {
        "answer": "multiple"
    }


def objects(dice: random.Random) -> dict[str, object]:
    """One action on two things is one action."""
    verb = dice.choice(("move", "lift", "wash", "grab", "collect"))
    one, two = dice.sample(KITCHEN + TOYS, 2)
    text = f"{verb} the {one} and {dice.choice(('', 'the '))}{two}"
    return {"description": capital(dice, text)} | single(verb, f"{one} and {two}")


def idle(dice: random.Random) -> dict[str, object]:
    if dice.random() < 0.5:
        return {"description": dice.choice(SCENES).format(*dice.sample(KITCHEN + TOYS, 2))} | {
            "answer": "none"
        }
    number = dice.randrange(1000)
    text = dice.choice(
        ("No action.", "Idle, episode {}", "Test recording {}", "unknown {}", "n/a {}")
    )
    return {"description": text.format(number)} | {"answer": "none"}


def capital(dice: random.Random, text: str) -> str:
    return text if dice.random() < 0.2 else text[0].upper() + text[1:]


KINDS: tuple[Callable[[random.Random], dict[str, object]], ...] = (
    reassemble,
    order,
    told,
    several,
    pair,
    objects,
    idle,
)
WEIGHTS = (15, 35, 15, 17, 4, 6, 8)


if __name__ == "__main__":
    lines = (json.dumps(row, ensure_ascii=False) for row in make())
    (FOLDER / "descriptions.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
