"""The mirror: our local copy of the repository, behind one port.

``livegraft.mirror.git`` follows a Git repository; ``livegraft.mirror.worktree`` reads the
files of a work tree for ``livegraft check`` and ``livegraft run``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from livegraft.revision import Revision
from livegraft.snapshot import Snapshot


class Mirror(Protocol):
    """Port: where revisions, trees and blobs come from. All methods may be called from any thread."""

    @property
    def address(self) -> str:
        """The repository as people may see it: no credentials."""

    @property
    def branch(self) -> str:
        """The branch that is followed."""

    def fetch(self) -> Revision:
        """Get news and return the branch's tip.

        Raises MirrorError when the repository cannot be read; what was fetched before stays readable.
        """

    def glance(self) -> Revision | None:
        """The branch's tip, readable at once and not fetched yet; None when it has to be fetched to be seen.

        What it has is only safe from changes of the repository after the next ``fetch``.
        """

    def tip(self) -> Revision | None:
        """The newest revision that is here already, without asking the remote; None before the first fetch."""

    def revision(self, id: str) -> Revision:
        """One commit that was fetched. Raises NotFoundError."""

    def snapshot(self, revision: Revision) -> Snapshot:
        """The tree of a revision. The cost grows with what differs from the snapshots read lately."""

    def read(self, blob: str) -> bytes:
        """The content of one blob. Raises NotFoundError."""

    def read_many(self, blobs: Sequence[str]) -> Iterator[bytes]:
        """The contents of several blobs, in this order; raises as ``read`` when the turn of one comes."""

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether revision ``newer`` has ``older`` in its history (or is it)."""

    def watch(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` from a thread of the mirror whenever a local repository changes; no-op for remotes."""

    def close(self) -> None:
        """End subprocesses and watchers. Idempotent."""
