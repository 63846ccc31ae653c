# SPDX-License-Identifier: Apache-2.0
"""The package huggingface_hub, which is optional, and what it raises as one line."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from m2r2_ros.errors import M2R2Error, nearest_path
from m2r2_ros.hub.name import HubName

# Client errors that another try may mend: timeout, too many requests.
_PASSING = (408, 429)
# Of a write, which does not name its file.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
# Characters of its messages, which may have many lines.
_MOST_SAID = 300


def library(name: object) -> ModuleType:
    """Import huggingface_hub for the model repository `name`. Raises M2R2Error without it."""
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ModuleNotFoundError as error:
        raise M2R2Error(
            f"{name}: no such folder here, and model repositories need the Python package "
            "'huggingface_hub': `pip install huggingface_hub`"
        ) from error
    return huggingface_hub


@contextmanager
def troubles(hub: ModuleType, name: HubName) -> Iterator[None]:
    """What goes wrong inside the block is an M2R2Error, without the token: servers repeat it."""
    try:
        yield
    except M2R2Error:
        raise
    # An endpoint that is none makes the library raise anything: KeyError, AssertionError.
    except Exception as error:
        raise M2R2Error(_concealed(hub, f"{name}: {_remedy(hub, name, error)}")) from None


def is_refused(hub: ModuleType, error: BaseException | None) -> bool:
    """Whether the hub was reached and said no; else it may be another time."""
    if not isinstance(error, hub.errors.HfHubHTTPError):
        return False
    status = error.response.status_code
    return 400 <= status < 500 and status not in _PASSING


def why(hub: ModuleType, error: BaseException | None) -> str:
    """The reason that an error gives, short and without the token, of which no part may be left."""
    response = getattr(error, "response", None)
    said = getattr(error, "server_message", None) or str(error)
    said = _concealed(hub, " ".join(said.split()))[:_MOST_SAID]
    kind = type(error).__name__ if response is None else f"HTTP {response.status_code}"
    return f"{kind}: {said}" if said else kind


def _concealed(hub: ModuleType, text: str) -> str:
    token = hub.get_token()
    return text.replace(token, "[token]") if token else text


def _failure(hub: ModuleType, error: BaseException | None) -> str:
    """What fails: the cache's files, which connections have none of, or else the hub."""
    is_file = isinstance(error, OSError) and (error.filename or error.errno in _FULL)
    failing = f"the cache {hub.constants.HF_HUB_CACHE}" if is_file else hub.constants.ENDPOINT
    return f"{failing} fails: {why(hub, error)}"


def _remedy(hub: ModuleType, name: HubName, error: Exception) -> str:
    errors, endpoint = hub.errors, hub.constants.ENDPOINT
    near = nearest_path(Path(name.repository))
    log_in = "log in with `hf auth login` or set HF_TOKEN"
    if isinstance(error, errors.GatedRepoError):
        return f"ask for access on {endpoint}/{name.repository}, and {log_in}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"neither a folder here{near} nor a model repository on {endpoint} that you may read: "
            f"correct the name, or {log_in}"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the repository has no such revision on {endpoint}"
    if isinstance(error, errors.LocalEntryNotFoundError):
        is_off = hub.constants.is_offline_mode()
        fails = _failure(hub, error.__cause__ or error)
        reason = "HF_HUB_OFFLINE is set" if is_off else fails
        return f"no folder here{near}, not (wholly) in the cache, and {reason}"
    if is_refused(hub, error) and error.response.status_code in (401, 403):
        return f"{endpoint} refuses ({why(hub, error)}): {log_in}"
    return _failure(hub, error)
