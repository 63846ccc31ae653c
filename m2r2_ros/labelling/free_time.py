# SPDX-License-Identifier: Apache-2.0
"""Proposals among labels: they take the time that no label has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from m2r2_ros.datasets.recording_labels import Label, in_order

# What is left of a proposal between labels is dropped when it is shorter.
SHORTEST_NS = 200_000_000


def fitted(proposals: Sequence[Label], labels: Sequence[Label]) -> tuple[Label, ...]:
    """The labels, and of the proposals, which do not overlap each other, what lies between them."""
    parts = [part for proposal in proposals for part in _free(proposal, labels)]
    return in_order([*labels, *parts])


def _free(proposal: Label, labels: Sequence[Label]) -> Iterator[Label]:
    """The parts of a proposal that no label overlaps."""
    start_ns = proposal.start_ns
    for label in labels:
        if label.end_ns <= start_ns or label.start_ns >= proposal.end_ns:
            continue
        if label.start_ns - start_ns >= SHORTEST_NS:
            yield replace(proposal, start_ns=start_ns, end_ns=label.start_ns)
        start_ns = label.end_ns
    if proposal.end_ns - start_ns >= SHORTEST_NS:
        yield replace(proposal, start_ns=start_ns)
