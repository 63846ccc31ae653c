# SPDX-License-Identifier: Apache-2.0
"""Algorithm 1 of RoboAct-CLIP over many clips: keep what shows one action, tell why others go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from m2r2_ros.annotation.described_videos import DescribedVideo
from m2r2_ros.annotation.findings import Findings
from m2r2_ros.datasets.clips import is_text
from m2r2_ros.descriptions import clip_sentence

NO_DESCRIPTION = "no description"
NO_TEXT = "a description that is no text"


@dataclass(frozen=True)
class NoAnswer:
    """A text to which no valid answer came, and why; it is asked again in the next run."""

    reason: str


@dataclass(frozen=True)
class Sorted:
    """Records for JSON, in the order of the videos; every video is in one of the lists.

    `kept` has the entries of `datasets.clips.Clip`, and the description.
    """

    kept: list[dict[str, Any]]
    rejected: list[dict[str, Any]]


def texts_of(videos: Iterable[DescribedVideo]) -> list[str]:
    """The different descriptions, in order, each of which is to be understood once."""
    return [text for text in dict.fromkeys(_text(video) for video in videos) if _is_text(text)]


def sort_videos(
    videos: Iterable[DescribedVideo], answers: Mapping[str, Findings | NoAnswer]
) -> Sorted:
    """Annotate the videos with what was found in their descriptions."""
    result = Sorted([], [])
    for video in videos:
        text = _text(video)
        part = {"start_s": video.start_s, "end_s": video.end_s, "camera": video.camera}
        record = {"path": str(video.path), **part, "description": text}
        missing = NoAnswer(NO_TEXT if text else NO_DESCRIPTION)
        answer = answers[text] if _is_text(text) else missing
        reason = answer.reason if isinstance(answer, NoAnswer) else answer.rejection
        if reason:
            result.rejected.append(record | {"reason": reason} | _found(answer))
            continue
        (phrase,) = answer.actions
        subject = video.subject or answer.subject
        words = {"subject": subject, "action": phrase.action, "object": phrase.object}
        words["sentence"] = clip_sentence(subject, phrase.action, phrase.object)
        result.kept.append(record | words)
    return result


def summarise(result: Sorted) -> dict[str, Any]:
    """The numbers of RoboAct-CLIP's Table I, and counts of each action, object and reason."""
    kept = result.kept

    def counts(name: str, records: list[dict[str, Any]]) -> dict[str, int]:
        ordered = Counter(record[name] for record in records).most_common()
        return dict(sorted(ordered, key=lambda item: (-item[1], item[0])))

    actions, objects = counts("action", kept), counts("object", kept)
    return {
        "videos": len(kept) + len(result.rejected),
        "kept": len(kept),
        "rejected": len(result.rejected),
        "unique_tasks": len({(record["action"], record["object"]) for record in kept}),
        "distinct_actions": len(actions),
        "distinct_objects": len(objects),
        # Of those whose length is known without opening them.
        "hours": round(sum(_length_s(record) for record in kept) / 3600, 4),
        "reasons": counts("reason", result.rejected),
        "subjects": counts("subject", kept),
        "actions": actions,
        "objects": objects,
    }


def _found(answer: Findings | NoAnswer) -> dict[str, Any]:
    if isinstance(answer, NoAnswer) or not answer.actions:
        return {}
    return {"found": [[phrase.action, phrase.object] for phrase in answer.actions]}


def _length_s(record: Mapping[str, Any]) -> float:
    return 0.0 if record["end_s"] is None else record["end_s"] - record["start_s"]


def _is_text(text: str) -> bool:
    return bool(text) and is_text(text)


def _text(video: DescribedVideo) -> str:
    return " ".join(video.description.split())
