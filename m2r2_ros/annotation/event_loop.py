# SPDX-License-Identifier: Apache-2.0
"""An asyncio loop that an interrupt cannot hurt."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

# A task may lose one request to end (`asyncio.wait_for` before Python 3.12 does): it is told again.
_TOLD_AGAIN_S = 0.1


@contextmanager
def event_loop(
    close: Callable[[], Awaitable[None]],
) -> Iterator[Callable[[Coroutine[Any, Any, Any]], Future[Any]]]:
    """Yield what starts a coroutine; at the end, what still runs is cancelled and `close` awaited.

    The loop has a thread of its own. An interrupt comes to the main thread: inside a loop that ran
    there it would lose whatever the loop was just about to wake.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="asyncio", daemon=True)
    thread.start()
    try:
        yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop)
    finally:
        asyncio.run_coroutine_threadsafe(_end(close), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(close: Callable[[], Awaitable[None]]) -> None:
    running = asyncio.all_tasks() - {asyncio.current_task()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_TOLD_AGAIN_S)
    await close()
