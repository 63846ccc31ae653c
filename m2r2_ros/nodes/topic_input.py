# SPDX-License-Identifier: Apache-2.0
"""Input topics that are read when a window needs them, instead of one callback a message.

A camera frame closes a window, and only then do thousands of small messages matter: they wait in
the middleware's queue and are taken in one loop, as serialised bytes. Measured for three topics at
1 kHz: a fifth of the CPU of one callback a message, and nothing lost.
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import RCLError, Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

from m2r2_ros.diagnosis.latency import LongestWait
from m2r2_ros.errors import M2R2Error
from m2r2_ros.nodes import parameter_declaration

# More publishers than this on one topic come and go: all their last numbers are forgotten, so that
# memory stays bounded.
_MAX_PUBLISHERS = 256
_CLOCK_STEP_NS = 1_000_000_000
_MESSAGE_TYPE = re.compile(r"[a-z][a-z0-9_]*/msg/[A-Z][A-Za-z0-9_]*")
# Stands for the publisher where the middleware does not name it.
_NOBODY = {"data": b""}


class _NeverExecuted(CallbackGroup):
    """Keeps a subscription out of the executor's wait set."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        pass


# A serialised message and what the middleware knows of it, as rclpy gives them.
_Taken = tuple[bytes, Mapping[str, Any]]


def _is_due(taken: _Taken, until_ns: int | None) -> bool:
    """Whether it had come by then. One from far ahead came before the clock was set back."""
    received_ns = taken[1]["received_timestamp"]
    return until_ns is None or not until_ns < received_ns < until_ns + _CLOCK_STEP_NS


class TopicInput:
    """One topic, subscribed as its publishers offer it and taken on demand.

    received  messages taken; lost: numbers missing between them, as counted by their publishers.
    waited    from the arrival of messages until they were taken.
    type_name of the subscription, "" without a publisher.
    problem   why no message can come, else "".
    notice    what else is published on it and not read, else "".
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        check_type: Callable[[str], None],
        depth: int,
        on_arrival: Callable[[bytes], None] | None = None,
        max_bytes: float = inf,
        keeps_last: bool = False,
    ) -> None:
        """`check_type` raises M2R2Error on a type that cannot be read. `depth`: how many may wait.

        With `keeps_last` also what was published before, where the publishers keep it.

        They take `max_bytes` at most, half of it in the middleware, though never fewer than one
        message there and one here: fewer may wait where messages are large.

        With `on_arrival` the executor takes part: it is called with a message that has come, and
        which can now be taken.
        """
        self.topic = node.resolve_topic_name(topic, only_expand=True)
        self.received = 0
        self.lost = 0
        self.waited = LongestWait()
        self.type_name = ""
        self.problem = f"no publisher on {self.topic}"
        self.notice = ""
        self._node = node
        self._check_type = check_type
        self._most = self._depth = depth
        self._max_bytes = max_bytes / 2
        self._keeps_last = keeps_last
        self._durability = DurabilityPolicy.VOLATILE
        # Of the largest message, and of those that wait here.
        self._largest = self._waiting_bytes = 0
        self._on_arrival = on_arrival
        self._group = None if on_arrival else _NeverExecuted()
        self._subscription: Subscription | None = None
        self._offer: tuple[str, ReliabilityPolicy] | None = None
        # Offers that could not be subscribed to, and why.
        self._refused: dict[tuple[str, ReliabilityPolicy], str] = {}
        self._waiting: list[_Taken] = []
        self._last_number: dict[bytes, int] = {}

    def follow(self) -> bool:
        """Subscribe, or subscribe anew when what the publishers offer has changed.

        Returns whether the subscription is new. Call now and then, before `take`.
        """
        offer = self._find_offer()
        if offer is None or (offer == self._offer and not self.is_too_deep):
            return False
        if offer in self._refused:
            self.problem = self._refused[offer]
            return False
        self.fetch()
        # The same publishers count on: what is lost in between is counted, too.
        numbers = self._last_number.copy() if offer == self._offer else {}
        self._unsubscribe()
        self._last_number = numbers
        if offer[0] != self.type_name:
            self._forget()
        self._depth = self._fitting_depth()
        self._offer, self.type_name = None, ""
        try:
            self._subscribe(*offer)
        except (RCLError, ValueError) as error:
            # A policy of SROS 2 that does not name the topic, above all. It is read at the start.
            why = " ".join(str(error).split()).partition(", at /")[0]
            self.problem = f"{self.topic}: not in the SROS 2 policy, or no valid name ({why})"
            self._refused[offer] = self.problem
            return False
        self._offer, self.type_name = offer, offer[0]
        return True

    def _subscribe(self, type_name: str, reliability: ReliabilityPolicy) -> None:
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=self._depth,
            reliability=reliability,
            durability=self._durability,
        )
        self._subscription = self._node.create_subscription(
            message_class(type_name),
            self.topic,
            self._arrived,
            qos,
            callback_group=self._group,
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            raw=True,
        )

    def take(self, until_ns: int | None = None) -> list[bytes]:
        """Messages that wait, oldest first, serialised; at most as many as may wait.

        With `until_ns` (of `time.time_ns`) only those that had come by then: topics that are taken
        one after the other then stand at one moment, however busy the machine is in between.
        """
        return [message for message, _ in self._take(until_ns)]

    def take_with_arrivals(self, until_ns: int | None = None) -> tuple[list[bytes], list[int]]:
        """As `take`, and when each had come, of `time.time_ns`."""
        taken = self._take(until_ns)
        arrivals = [info["received_timestamp"] for _, info in taken]
        return [message for message, _ in taken], arrivals

    def _take(self, until_ns: int | None) -> list[_Taken]:
        self.fetch(until_ns)
        keep = len(self._waiting)
        while keep and not _is_due(self._waiting[keep - 1], until_ns):
            keep -= 1
        due, self._waiting = self._waiting[:keep], self._waiting[keep:]
        if due:
            self.waited.note((until_ns or time.time_ns()) - due[0][1]["received_timestamp"])
        self._waiting_bytes -= sum(len(message) for message, _ in due)
        # Inside of its own callback a subscription stays as it is.
        if self.is_too_deep and self._on_arrival is None:
            self.follow()
        return due

    def fetch(self, until_ns: int | None = None) -> None:
        """Move messages from the middleware to this object, for `take`: as many as may wait.

        Fast DDS looks through all that wait whenever one more arrives: keep its queues short.
        """
        if self._subscription is None:
            return
        if self._waiting and not _is_due(self._waiting[-1], until_ns):
            return
        handle, kind = self._subscription.handle, self._subscription.msg_type
        batch: list[_Taken] = []
        with handle:
            take = handle.take_message
            room = self._depth - len(self._waiting)
            left = self._max_bytes - self._waiting_bytes
            while len(batch) < room and left > 0 and (taken := take(kind, True)):
                batch.append(taken)
                left -= len(taken[0])
                if until_ns is not None and not _is_due(taken, until_ns):
                    break
        self._keep(batch)

    @property
    def refusal(self) -> str:
        """Why the middleware refuses a subscription, else ""."""
        return self.problem if self.problem in self._refused.values() else ""

    def close(self) -> None:
        """Unsubscribe."""
        self._unsubscribe()
        self._forget()
        self._refused.clear()
        self._offer = None
        self.type_name = ""

    def _arrived(self, message: bytes, info: Mapping[str, Any]) -> None:
        self._keep([(message, info)])
        self._on_arrival(message)

    def _keep(self, batch: Sequence[_Taken]) -> None:
        """Queue and count messages. This runs for each of thousands a second."""
        self._waiting += batch
        self.received += len(batch)
        sizes = [len(message) for message, _ in batch]
        self._waiting_bytes += sum(sizes)
        self._largest = max(self._largest, *sizes, 0)
        last_number = self._last_number
        for _, info in batch:
            # Publishers number their messages; a hole in the numbers is a loss.
            number = info.get("publication_sequence_number")
            if number is None:
                continue
            publisher = (info.get("publisher_gid") or _NOBODY)["data"]
            last = last_number.get(publisher)
            if last is None:
                self._remember(publisher, number)
            elif number > last:
                self.lost += number - last - 1
                last_number[publisher] = number

    def _forget(self) -> None:
        """Drop the waiting messages; the next ones may be of another size."""
        self._waiting = []
        self._waiting_bytes = self._largest = 0

    def _fitting_depth(self) -> int:
        """How many messages as large as the largest seen may wait in the middleware."""
        if not self._largest or self._most * self._largest <= self._max_bytes:
            return self._most
        return max(1, int(self._max_bytes // self._largest))

    @property
    def is_too_deep(self) -> bool:
        """Whether more large messages may wait in the middleware than have room."""
        return self._depth > self._fitting_depth()

    def _remember(self, publisher: bytes, number: int) -> None:
        if len(self._last_number) >= _MAX_PUBLISHERS:
            self._last_number.clear()
        self._last_number[publisher] = number

    def _find_offer(self) -> tuple[str, ReliabilityPolicy] | None:
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        self.notice = ""
        if not publishers:
            self.problem = f"no publisher on {self.topic}"
            return None
        kind = self._choose_kind(publishers)
        publishers = [each for each in publishers if each.topic_type == kind]
        try:
            self._check_type(kind)
            message_class(kind)
            weakest = _weakest(publishers)
            wanted = self._overridden() or weakest
            if wanted == ReliabilityPolicy.RELIABLE != weakest:
                raise M2R2Error("is published best effort, but qos_overrides ask for reliable")
            offer = kind, wanted
            self._durability = self._offered_durability(publishers)
        except M2R2Error as error:
            self.problem = f"{self.topic}: {error}"
            return None
        self.problem = ""
        return offer

    def _choose_kind(self, publishers: Sequence[TopicEndpointInfo]) -> str:
        """Of the types on the topic the one that is read already, else one that can be."""
        kinds = sorted({publisher.topic_type for publisher in publishers})
        if len(kinds) == 1:
            return kinds[0]
        kind = self.type_name
        if kind not in kinds:
            kind = next(filter(self._is_readable, kinds), kinds[0])
        others = ", ".join(each for each in kinds if each != kind)
        self.notice = f"{self.topic} is published as {others}, too: only {kind} is read"
        return kind

    def _is_readable(self, kind: str) -> bool:
        try:
            self._check_type(kind)
        except M2R2Error:
            return False
        return True

    def _offered_durability(self, publishers: Sequence[TopicEndpointInfo]) -> DurabilityPolicy:
        kept = DurabilityPolicy.TRANSIENT_LOCAL
        if self._keeps_last and all(p.qos_profile.durability == kept for p in publishers):
            return kept
        return DurabilityPolicy.VOLATILE

    def _overridden(self) -> ReliabilityPolicy | None:
        """The user's word, given as for any subscription: qos_overrides.<topic>.subscription."""
        name = f"qos_overrides.{self.topic}.subscription.reliability"
        value = parameter_declaration.overrides(self._node).get(name)
        if value is None:
            return None
        try:
            return ReliabilityPolicy[str(value).upper()]
        except KeyError:
            raise M2R2Error(f"{name} must be reliable or best_effort, got '{value}'") from None

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self._last_number.clear()


def message_class(type_name: str) -> type:
    """The class of "package/msg/Type". Raises M2R2Error when its package is not installed."""
    if not _MESSAGE_TYPE.fullmatch(type_name):
        raise M2R2Error(f"type '{type_name}' is not of the form package/msg/Type")
    package, _, name = type_name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise M2R2Error(
            f"messages of type {type_name} are not installed: `apt install "
            f"ros-<distribution>-{package.replace('_', '-')}`, or build the package {package} with "
            f"colcon and source it ({error})"
        ) from error


def _weakest(publishers: Sequence[TopicEndpointInfo]) -> ReliabilityPolicy:
    """A reliable subscription gets nothing from a best-effort publisher; the reverse works."""
    reliable = all(
        publisher.qos_profile.reliability == ReliabilityPolicy.RELIABLE for publisher in publishers
    )
    return ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
