# SPDX-License-Identifier: Apache-2.0
"""A silent topic is named once, and again when the reason is known."""

from types import SimpleNamespace

from m2r2_ros.nodes.topic_watchdog import TopicWatchdog


def test_a_reason_that_is_known_only_later_is_said_then():
    watchdog = TopicWatchdog(5.0)
    watchdog.start(0.0)
    topic = SimpleNamespace(topic="/wrench", received=3, problem="")
    assert watchdog.check([topic], 1.0) == []
    assert watchdog.check([topic], 6.5) == ["/wrench has been silent for 6 s"]
    assert watchdog.check([topic], 7.5) == []
    topic.problem = "/wrench: 'wrench' needs another type"
    assert watchdog.check([topic], 8.0) == [topic.problem]
    assert watchdog.check([topic], 9.0) == []
    topic.received, topic.problem = 4, ""
    assert watchdog.check([topic], 10.0) == [] and not watchdog.silent
