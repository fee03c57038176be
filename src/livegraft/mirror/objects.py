"""Reading commits, trees and blobs out of the mirror's object store."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from livegraft.errors import MirrorError, NotFoundError
from livegraft.mirror.batch import Batch, BrokenAnswerError, ObjectFact, TooBigError
from livegraft.mirror.bulk import Bulk
from livegraft.mirror.command import Git
from livegraft.mirror.commit import Commit, parse_commit
from livegraft.mirror.folder import Folder, Walk
from livegraft.mirror.limits import Limits
from livegraft.revision import Revision
from livegraft.snapshot import Snapshot

OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
COMMIT_BYTES = 1024 * 1024
TREE_BYTES = 16 * 1024 * 1024
REMEMBERED_ROOTS = 4
MANY_BLOBS = 50
"""So many are worth a git of their own."""


class Objects:
    """The objects of one bare repository. All methods may be called from any thread.

    Every content is checked against its id, so what is returned is what was committed.
    ``damage`` says what was found broken, "" while nothing was.
    """

    def __init__(self, git: Git, *, limits: Limits, deadline_seconds: float = 10.0) -> None:
        self._limits = limits
        self._contents = Batch(git, "--batch", deadline_seconds=deadline_seconds)
        self._sizes = Batch(git, "--batch-check", deadline_seconds=deadline_seconds)
        self._bulk = Bulk(git, deadline_seconds=deadline_seconds)
        self._roots: OrderedDict[str, Folder] = OrderedDict()
        self._walking = threading.Lock()
        self.damage = ""

    def commit(self, name: str) -> Commit | None:
        """The commit of this id or reference; None when there is none."""
        try:
            found = self._content(name, "commit", COMMIT_BYTES)
        except TooBigError as error:
            raise self._damaged(f"commit {name} is too big: {error}") from None
        try:
            return None if found is None else parse_commit(found[0], found[1])
        except ValueError as error:
            raise self._damaged(str(error)) from None

    def snapshot(self, revision: Revision) -> Snapshot:
        """The tree of a revision; only directories that differ from the ones read last are read."""
        commit = self.commit(revision.id)
        if commit is None:
            raise NotFoundError("revision", revision.id)
        with self._walking:
            root = self._root(commit.tree)
        return Snapshot(revision, root.files, root.skipped)

    def read(self, blob: str) -> bytes:
        """The content of a blob. Raises NotFoundError, also for one that exceeds the limit."""
        try:
            found = self._content(blob, "blob", self._limits.blob_bytes) if OBJECT_ID.fullmatch(blob) else None
        except TooBigError:
            raise NotFoundError(f"file of at most {self._limits.blob_bytes:,} bytes", blob) from None
        if found is None:
            self.damage = self.damage or f"blob {blob} is missing"
            raise NotFoundError("file of the repository", blob)
        return found[1]

    def read_many(self, blobs: Sequence[str]) -> Iterator[bytes]:
        """The contents of blobs, in this order. Raises NotFoundError as ``read`` does, when the blob's turn comes."""
        if len(blobs) < MANY_BLOBS:
            yield from map(self.read, blobs)
            return
        for blob, content in zip(blobs, self._bulk.contents(blobs, self._limits.blob_bytes), strict=True):
            yield content if content is not None and _is_blob(content, blob) else self.read(blob)

    def tree(self, id: str) -> bytes:
        """The content of a tree object. Raises TooBigError, MirrorError."""
        found = self._content(id, "tree", TREE_BYTES)
        if found is None:
            raise self._damaged(f"tree {id} is missing")
        return found[1]

    def sizes(self, blobs: list[str]) -> list[int]:
        """The size of each blob in bytes. Raises MirrorError."""
        if len(blobs) < MANY_BLOBS:
            return self._sizes_by_batch(blobs)
        found = list(self._bulk.sizes(blobs))
        untold = [place for place, size in enumerate(found) if size is None]
        for place, size in zip(untold, self._sizes_by_batch([blobs[place] for place in untold]), strict=True):
            found[place] = size
        return [size for size in found if size is not None]

    def _sizes_by_batch(self, blobs: list[str]) -> list[int]:
        try:
            facts = self._sizes.facts(blobs)
        except BrokenAnswerError as error:
            raise self._damaged(str(error)) from error
        missing = [blob for blob, fact in zip(blobs, facts, strict=True) if fact is None]
        if missing:
            raise self._damaged(f"blob {missing[0]} is missing")
        return [fact.size for fact in facts if fact is not None]

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let readers wait while the repository is replaced by a sound one."""
        with self._contents.paused(), self._sizes.paused():
            yield
            self.damage = ""

    def close(self) -> None:
        """End the processes. Idempotent."""
        self._contents.close()
        self._sizes.close()

    def _root(self, id: str) -> Folder:
        known = self._roots.get(id) or (next(reversed(self._roots.values())) if self._roots else None)
        walk = Walk(self, self._limits)
        root = walk.read(id, known)
        if walk.complete:
            self._roots[id] = root
            self._roots.move_to_end(id)
            while len(self._roots) > REMEMBERED_ROOTS:
                self._roots.popitem(last=False)
        return root

    def _content(self, name: str, kind: str, most_bytes: int) -> tuple[str, bytes] | None:
        try:
            found = self._contents.content(name, most_bytes)
        except BrokenAnswerError as error:
            raise self._damaged(str(error)) from error
        return self._checked(found, kind) if found is not None else None

    def _checked(self, found: tuple[ObjectFact, bytes], kind: str) -> tuple[str, bytes] | None:
        """An answer's id and content, None if it is of another kind. Raises MirrorError if they do not fit."""
        fact, data = found
        if fact.kind != kind:
            return None
        if _id(kind, data, len(fact.id)) != fact.id:
            raise self._damaged(f"the content of {kind} {fact.id} does not fit its id")
        return fact.id, data

    def _damaged(self, reason: str) -> MirrorError:
        self.damage = reason
        return MirrorError(
            "damaged", f"expected a readable mirror, got: {reason}; it is checked and rebuilt at the next sync"
        )


def _id(kind: str, data: bytes, digits: int) -> str:
    """The id of an object with this content, in a repository whose ids have so many digits."""
    hasher = hashlib.sha1 if digits == 40 else hashlib.sha256
    return hasher(b"%b %d\0%b" % (kind.encode(), len(data), data)).hexdigest()


def _is_blob(data: bytes, id: str) -> bool:
    return _id("blob", data, len(id)) == id
