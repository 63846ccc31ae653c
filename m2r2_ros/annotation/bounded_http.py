# SPDX-License-Identifier: Apache-2.0
"""An HTTP client that takes only so many bytes of an answer, also of one that reports an error."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from typing import Any

from m2r2_ros.annotation.prompt import InvalidAnswerError


def bounded_client(openai: Any, most_bytes: int) -> Any:
    """The client that the package `openai` would make, for answers of at most `most_bytes`.

    A longer or a compressed one raises InvalidAnswerError: a few bytes of it could become many.
    """
    # The package has changed its HTTP library once; this finds the one in use.
    library = importlib.import_module(
        openai.DefaultAsyncHttpxClient.__base__.__module__.partition(".")[0]
    )

    class Bounded(library.AsyncByteStream):
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = most_bytes
            async for part in self._stream:
                left -= len(part)
                if left < 0:
                    raise InvalidAnswerError(f"an answer of more than {most_bytes} bytes")
                yield part

        async def aclose(self) -> None:
            await self._stream.aclose()

    async def bound(response: Any) -> None:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise InvalidAnswerError("a compressed answer, which was not asked for")
        response.stream = Bounded(response.stream)

    return openai.DefaultAsyncHttpxClient(event_hooks={"response": [bound]})
