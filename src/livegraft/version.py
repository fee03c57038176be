"""A version's states, and the one table that says how it moves between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class VersionState(StrEnum):
    """Where a version is between its plan and its end.

    ``planned``: its key is computed; ``loading``: its code executes for the first time; ``live``: the
    release uses it; ``draining``: superseded, something still runs it; ``drained``: nothing runs it;
    ``unloaded``: gone and checked; ``leaked``: taken out, but somebody holds it; ``failed``: it did
    not load; ``quarantined``: a person keeps it out of service.
    """

    PLANNED = "planned"
    LOADING = "loading"
    LIVE = "live"
    DRAINING = "draining"
    DRAINED = "drained"
    UNLOADED = "unloaded"
    LEAKED = "leaked"
    FAILED = "failed"
    QUARANTINED = "quarantined"


_S = VersionState
TRANSITIONS: Final[Mapping[VersionState, frozenset[VersionState]]] = {
    _S.PLANNED: frozenset({_S.LOADING, _S.FAILED, _S.QUARANTINED}),
    _S.LOADING: frozenset({_S.LIVE, _S.FAILED}),
    # A candidate that its release refused, or that a later one superseded, drains like any other.
    _S.LIVE: frozenset({_S.DRAINING, _S.QUARANTINED}),
    # A revert finds the old key still here and takes it back.
    _S.DRAINING: frozenset({_S.DRAINED, _S.LIVE}),
    _S.DRAINED: frozenset({_S.UNLOADED, _S.LEAKED, _S.DRAINING, _S.LIVE}),
    _S.LEAKED: frozenset({_S.UNLOADED, _S.LIVE}),
    _S.UNLOADED: frozenset(),
    _S.FAILED: frozenset(),
    _S.QUARANTINED: frozenset({_S.LIVE, _S.DRAINING}),
}
"""Every change of state that exists. Nothing else moves a version."""
