# SPDX-License-Identifier: Apache-2.0
"""Every test process keeps its ROS traffic to itself and leaves the other cores alone."""

from __future__ import annotations

import gc
import os
import signal
from contextlib import suppress

import pytest
from hypothesis import settings

# Domains 1 to 101 use ports that no operating system hands out otherwise.
DOMAINS = 101


def own_domain() -> int:
    """The domain given by the user, or one after this process, plus one a parallel worker."""
    base = int(os.environ.get("ROS_DOMAIN_ID") or os.getpid())
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw-1").removeprefix("gw")
    return 1 + (base + int(worker)) % DOMAINS


os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_DOMAIN_ID"] = str(own_domain())
os.environ["MPLBACKEND"] = "Agg"
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# A shell starts what runs in the background deaf to Ctrl-C, and so would be all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no reason to fail.
settings.register_profile("m2r2", deadline=None)
settings.load_profile("m2r2")


# Programs that talk over DDS keep time with the clock: one such test at a time, until they alone
# are left.
TIMED_AT_ONCE = 1
TIMED = ("test/nodes/", "test/test_demo.py", "test/benchmarks/test_benchmarks.py")
# Of these, what computes, or waits for messages however late they are.
UNTIMED = tuple(
    f"test/nodes/test_{name}.py"
    for name in (
        "conversions",
        "executable",
        "message_definitions",
        "other_robot",
        "parameter_file",
        "parameter_ranges",
        "parameters",
        "pause_answers",
        "published_types",
        "security_policy",
        "unusable_sensors",
    )
)
# What takes longest begins first, so that no worker is left alone with it at the end.
LONG = (
    "test/nodes/test_other_robot.py",
    "test/test_page_commands.py",
    "test/messages/test_driver_types.py",
    "test/test_colcon.py",
    "test/learning/",
    "test/training/",
    "test/sensing/",
)
# They share a fixture of the session that takes long: one worker makes it, for all of them.
OF_ROBOACT = (
    "test/cli/test_extract_roboact.py",
    "test/experiments/imitation/test_imitation.py",
    "test/training/test_roboact_export.py",
)


def is_timed(test: str) -> bool:
    return test.startswith(TIMED) and not test.startswith(UNTIMED)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file's tests share what is made for them; marks of groups do nothing under pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return OF_ROBOACT[0] if file in OF_ROBOACT else file

        def _assign_work_unit(self, node):
            """Files of timed tests come first, as long as not too many others are at such."""
            timed = [scope for scope in self.workqueue if is_timed(scope)]
            computing = [scope for scope in self.workqueue if not is_timed(scope)]
            busy = sum(self._has_timed(other) for other in self.nodes if other is not node)
            if timed and (busy < TIMED_AT_ONCE or not computing):
                # The longest first, so that none is left over at the end.
                longest = max(timed, key=lambda scope: len(self.workqueue[scope]))
                self.workqueue.move_to_end(longest, last=False)
            elif computing:
                long = (scope for prefix in LONG for scope in computing if scope.startswith(prefix))
                self.workqueue.move_to_end(next(long, computing[0]), last=False)
            super()._assign_work_unit(node)

        def _has_timed(self, node):
            return any(
                is_timed(scope) and not all(done.values())
                for scope, done in self.assigned_work.get(node, {}).items()
            )

    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is imported and collected stays: it is not looked through for garbage, then or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        # Graphs are built of many objects, few of which are garbage.
        gc.set_threshold(10_000)


def pytest_runtest_setup(item):
    """What is computed beside a timed test gives way to it, so that the robot keeps its rates."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        yields = 0 if is_timed(item.nodeid) else 19
        # Only root may become more urgent again.
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, yields)


@pytest.fixture(scope="session")
def roboact(tmp_path_factory):
    """A tiny RoboAct-CLIP and its models folder. Its export takes long: the tests share it."""
    pytest.importorskip("torch").set_num_threads(1)
    pytest.importorskip("transformers")
    from tiny_roboact import write_roboact

    return write_roboact(tmp_path_factory.mktemp("roboact"))
