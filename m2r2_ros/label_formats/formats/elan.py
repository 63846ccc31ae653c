# SPDX-License-Identifier: Apache-2.0
"""ELAN (.eaf): a tier with times in milliseconds, and one for each thing said of its labels.

What a tier has no place for stands in the header's properties, which ELAN keeps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from m2r2_ros.datasets.labels_file import read_json
from m2r2_ros.datasets.recording_labels import IMPORT
from m2r2_ros.errors import M2R2Error, brief, nearest_name
from m2r2_ros.label_formats.label_format import ALL, FormatOptions, LabelFormat
from m2r2_ros.label_formats.label_track import NS, LabelSpan, LabelTrack
from m2r2_ros.label_formats.plain_xml import parse_xml
from m2r2_ros.label_formats.texts import (
    from_zero,
    parsed_number,
    parsed_seconds,
    read_text,
    the_one,
    write_text,
)
from m2r2_ros.vocabulary import Vocabulary

TIER = "label"
# Tiers whose annotations belong to one of the tier with times each.
BESIDE = ("outcome", "source", "confidence")
PROPERTY = "m2r2"
# Other readers of these files insist on it.
SCHEMA = {
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
}
_MS = 1_000_000


def read(path: Path, options: FormatOptions) -> list[LabelTrack]:
    root = parse_xml(read_text(path))
    if root.tag != "ANNOTATION_DOCUMENT":
        raise M2R2Error(f"no file of ELAN: its root is {brief(root.tag)}")
    header = root.find("HEADER")
    unit = "milliseconds" if header is None else header.get("TIME_UNITS", "milliseconds")
    if unit != "milliseconds":
        raise M2R2Error(f"its times are in {brief(unit)}: save it with milliseconds")
    slots = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}
    tier = _tier(root, options.tier)
    said = {name: _said(root, tier, name) for name in BESIDE}
    spans = tuple(_span(each, slots, said) for each in tier.iter("ALIGNABLE_ANNOTATION"))
    return [LabelTrack("", spans, **_properties(header))]


def _tier(root: Element, wanted: str) -> Element:
    """The tier of labels: the one that is asked for, else the only one with times."""
    tiers = {t.get("TIER_ID", ""): t for t in root.iter("TIER") if not t.get("PARENT_REF")}
    if wanted:
        if wanted not in tiers:
            raise M2R2Error(f"has no tier {brief(wanted)}{nearest_name(wanted, tiers)}")
        return tiers[wanted]
    if len(tiers) != 1:
        named = ", ".join(map(repr, tiers)) or "none"
        raise M2R2Error(f"which tier holds the labels? --tier names one of {named}")
    return next(iter(tiers.values()))


def _said(root: Element, tier: Element, name: str) -> dict[str | None, str]:
    """Annotation of the tier with times -> what a tier below it says."""
    below = (t for t in root.iter("TIER") if t.get("PARENT_REF") == tier.get("TIER_ID"))
    found = next((t for t in below if t.get("TIER_ID") == name), None)
    annotations = () if found is None else found.iter("REF_ANNOTATION")
    return {each.get("ANNOTATION_REF"): _value(each) for each in annotations}


def _span(
    annotation: Element, slots: dict[str | None, str | None], said: dict[str, dict]
) -> LabelSpan:
    number, label = annotation.get("ANNOTATION_ID", ""), _value(annotation)
    times = []
    for end in ("TIME_SLOT_REF1", "TIME_SLOT_REF2"):
        value = slots.get(annotation.get(end))
        if value is None:
            raise M2R2Error(f"annotation {brief(number)}, {brief(label)}, has no time of its own")
        times.append(parsed_seconds(f"{value}e-3", f"annotation {brief(number)}: time"))
    beside = {name: said[name].get(number, "") for name in BESIDE}
    confidence = parsed_number(beside["confidence"] or "1", f"{brief(number)}: confidence")
    return LabelSpan(
        *times, label, beside["outcome"] or None, beside["source"] or IMPORT, confidence
    )


def _value(annotation: Element) -> str:
    return annotation.findtext("ANNOTATION_VALUE") or ""


def _properties(header: Element | None) -> dict:
    """What `write` has put into the header; nothing of a file that it has not written."""
    found = [] if header is None else header.findall("PROPERTY")
    text = next((each.text for each in found if each.get("NAME") == PROPERTY), None)
    if text is None:
        return {}
    values = read_json(text)
    epoch_ns = values.get("epoch_ns") if isinstance(values, dict) else None
    if type(epoch_ns) is not int or not isinstance(values.get("complete"), bool):
        raise M2R2Error(f"property '{PROPERTY}' of its header is damaged: remove it")
    stated = values.get("vocabulary")
    vocabulary = None if stated is None else Vocabulary.from_dict(stated)
    return {"epoch_ns": epoch_ns, "complete": values["complete"], "vocabulary": vocabulary}


def write(path: Path, tracks: Sequence[LabelTrack], options: FormatOptions) -> list[str]:
    track, lines = from_zero(the_one(tracks))
    root = Element("ANNOTATION_DOCUMENT", _about(track.epoch_ns))
    header = SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    values = {"epoch_ns": track.epoch_ns, "complete": track.complete}
    values["vocabulary"] = track.vocabulary and track.vocabulary.to_dict()
    SubElement(header, "PROPERTY", {"NAME": PROPERTY}).text = json.dumps(values)
    times = SubElement(root, "TIME_ORDER")
    for number, time_ns in enumerate(t for s in track.spans for t in (s.start_ns, s.end_ns)):
        value = {"TIME_SLOT_ID": f"ts{number}", "TIME_VALUE": str(round(time_ns / _MS))}
        SubElement(times, "TIME_SLOT", value)
    _write_tiers(root, track)
    ElementTree.indent(root)
    write_text(path, '<?xml version="1.0" encoding="UTF-8"?>\n' + _text(root))
    return lines


def _write_tiers(root: Element, track: LabelTrack) -> None:
    tier = SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": "labels", "TIER_ID": TIER})
    for number, span in enumerate(track.spans):
        slots = {f"TIME_SLOT_REF{end + 1}": f"ts{2 * number + end}" for end in range(2)}
        _annotate(
            tier, "ALIGNABLE_ANNOTATION", {"ANNOTATION_ID": f"a{number}", **slots}, span.label
        )
    for name in BESIDE:
        of = {"LINGUISTIC_TYPE_REF": "said of a label", "PARENT_REF": TIER, "TIER_ID": name}
        tier = SubElement(root, "TIER", of)
        for number, text in _values(track, name):
            ids = {"ANNOTATION_ID": f"{name}{number}", "ANNOTATION_REF": f"a{number}"}
            _annotate(tier, "REF_ANNOTATION", ids, text)
    kinds = {"labels": {"TIME_ALIGNABLE": "true"}, "said of a label": {"TIME_ALIGNABLE": "false"}}
    kinds["said of a label"]["CONSTRAINTS"] = "Symbolic_Association"
    for name, kind in kinds.items():
        SubElement(root, "LINGUISTIC_TYPE", {"LINGUISTIC_TYPE_ID": name, **kind})
    stereotype = {"STEREOTYPE": "Symbolic_Association"}
    SubElement(root, "CONSTRAINT", {**stereotype, "DESCRIPTION": "1-1 association with a parent"})


def _values(track: LabelTrack, name: str) -> Iterator[tuple[int, str]]:
    for number, span in enumerate(track.spans):
        value = getattr(span, name)
        if value is not None:
            yield number, value if isinstance(value, str) else repr(value)


def _annotate(tier: Element, kind: str, attributes: dict[str, str], text: str) -> None:
    annotation = SubElement(SubElement(tier, "ANNOTATION"), kind, attributes)
    SubElement(annotation, "ANNOTATION_VALUE").text = text


def _about(epoch_ns: int | None) -> dict[str, str]:
    began = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=(epoch_ns or 0) // NS)
    about = {"AUTHOR": "m2r2_ros", "DATE": began.isoformat(), "FORMAT": "3.0", "VERSION": "3.0"}
    return about | SCHEMA


def _text(root: Element) -> str:
    return ElementTree.tostring(root, encoding="unicode") + "\n"


FORMAT = LabelFormat(".eaf", False, ALL, read, write, _MS)
