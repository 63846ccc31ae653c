# SPDX-License-Identifier: Apache-2.0
"""The package huggingface_hub, which is optional, and what it raises as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from m2r2_ros.errors import M2R2Error, nearest_path
from m2r2_ros.hub.name import HubName

# Client errors that another try may mend: timeout, too many requests.
_PASSING = (408, 429)
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
        line, token = f"{name}: {_remedy(hub, name, error)}", hub.get_token()
        raise M2R2Error(line.replace(token, "[token]") if token else line) from None


def is_refused(hub: ModuleType, error: BaseException | None) -> bool:
    """Whether the hub was reached and said no; else it may be another time."""
    if not isinstance(error, hub.errors.HfHubHTTPError):
        return False
    status = error.response.status_code
    return 400 <= status < 500 and status not in _PASSING


def why(error: BaseException | None) -> str:
    """The reason that an error gives, short."""
    response = getattr(error, "response", None)
    said = getattr(error, "server_message", None) or str(error)
    said = " ".join(said.split())[:_MOST_SAID]
    kind = type(error).__name__ if response is None else f"HTTP {response.status_code}"
    return f"{kind}: {said}" if said else kind


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
        fails = f"{endpoint} fails: {why(error.__cause__ or error)}"
        reason = "HF_HUB_OFFLINE is set" if is_off else fails
        return f"no folder here{near}, not (wholly) in the cache, and {reason}"
    if is_refused(hub, error) and error.response.status_code in (401, 403):
        return f"{endpoint} refuses ({why(error)}): {log_in}"
    return f"{endpoint} fails: {why(error)}"
