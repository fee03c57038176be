"""The mirror of a Git repository: fetched by the git program into a bare folder, read from its objects."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from livegraft.errors import MirrorError, NotFoundError
from livegraft.mirror.address import check_branch, parse_address
from livegraft.mirror.bare import BareFolder
from livegraft.mirror.command import Ended, Git, hardened_environment
from livegraft.mirror.failure import explain, telling
from livegraft.mirror.limits import DEFAULT_LIMITS, Limits
from livegraft.mirror.local import branch_tip, object_folder
from livegraft.mirror.objects import OBJECT_ID, Objects
from livegraft.mirror.redaction import Redactor, check_token
from livegraft.mirror.watch import Watching, watch_branches
from livegraft.revision import Revision
from livegraft.snapshot import Snapshot

logger = logging.getLogger(__name__)

FETCH = (
    "fetch",
    "--quiet",
    "--no-progress",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    "--",
)
NEWS_BETWEEN_TIDYING = 50
OBJECTS_BESIDE = "GIT_ALTERNATE_OBJECT_DIRECTORIES"
NO_HOME = "/nonexistent"


class GitMirror:
    """Follows one branch of a repository: a local path, https, or ssh.

    ``folder`` holds the bare mirror and belongs to it alone. ``deadline_seconds`` bounds a fetch,
    ``first_deadline_seconds`` the first one and a rebuild. ``token`` is for https: ``TOKEN`` or ``USER:TOKEN``.
    The remote is not asked before ``fetch``. Raises ConfigurationError.
    """

    def __init__(
        self,
        address: str,
        *,
        branch: str = "main",
        folder: Path,
        deadline_seconds: float = 30.0,
        first_deadline_seconds: float = 300.0,
        token: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._address = parse_address(address)
        self._branch = check_branch(branch)
        self._reference = f"refs/livegraft/{branch}"
        self._deadline_seconds = deadline_seconds
        self._first_deadline_seconds = first_deadline_seconds
        self._token = check_token(token) if token and self._address.protocol in ("https", "http") else None
        self._redact = Redactor(self._token)
        self._limits = limits
        self._bare = BareFolder(folder.absolute(), self._address.text)
        self._git = self._git_in(self._bare)
        self._reader = self._git_in(self._bare, beside=object_folder(self._address.folder))
        self._objects = Objects(self._reader, limits=limits, deadline_seconds=deadline_seconds)
        self._watchers: list[Watching] = []
        self._news = NEWS_BETWEEN_TIDYING
        self._bare.folder.parent.mkdir(parents=True, exist_ok=True)
        with self._bare.locked(first_deadline_seconds):
            self._bare.prepare()
            self._bare.sweep()

    @property
    def address(self) -> str:
        return self._address.text

    @property
    def branch(self) -> str:
        return self._branch

    def fetch(self) -> Revision:
        """Get news and return the branch's tip. Raises MirrorError; its kinds stand there, ``rewritten`` excepted."""
        before = self.tip()
        if before is not None and not self._objects.damage and before.id == self._local_tip():
            self._tidy()
            return before
        with self._bare.locked(self._first_deadline_seconds):
            self._bare.guard()
            self._update(first=before is None)
        after = self._known_tip()
        if before is not None and before.id == after.id:
            self._tidy()
        else:
            self._news += 1
        return after

    def glance(self) -> Revision | None:
        """See ``Mirror``: the objects of a local repository can be read where they are, checked against their ids."""
        id = self._local_tip()
        if id is None or self._objects.damage or self.tip() is None:
            return None
        commit = self._objects.commit(id)
        return commit.revision if commit is not None else None

    def tip(self) -> Revision | None:
        try:
            commit = self._objects.commit(self._reference)
        except MirrorError:
            return None
        return commit.revision if commit else None

    def revision(self, id: str) -> Revision:
        commit = self._objects.commit(id) if OBJECT_ID.fullmatch(id) else None
        if commit is None:
            raise NotFoundError("revision", id)
        return commit.revision

    def snapshot(self, revision: Revision) -> Snapshot:
        return self._objects.snapshot(revision)

    def read(self, blob: str) -> bytes:
        return self._objects.read(blob)

    def read_many(self, blobs: Sequence[str]) -> Iterator[bytes]:
        return self._objects.read_many(blobs)

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether revision ``newer`` has ``older`` in its history (or is it). Raises NotFoundError, MirrorError."""
        self.revision(older)
        commit = self._objects.commit(newer) if OBJECT_ID.fullmatch(newer) else None
        if commit is None:
            raise NotFoundError("revision", newer)
        if older == newer or older in commit.parents:  # no process is needed to see that
            return True
        ended = self._reader.run("merge-base", "--is-ancestor", older, newer, deadline_seconds=self._deadline_seconds)
        if ended.code not in (0, 1):
            self._objects.damage = f"the history of {newer} cannot be read"
            raise MirrorError("damaged", self._redact(f"{self._objects.damage} (git: {telling(ended.errors)})"))
        return ended.code == 0

    def watch(self, changed: Callable[[], None]) -> None:
        if self._address.folder is not None:
            watcher = watch_branches(self._address.folder, changed)
            self._watchers += [watcher] if watcher else []

    def close(self) -> None:
        while self._watchers:
            self._watchers.pop().close()
        self._git.close()
        self._reader.close()
        self._objects.close()

    def _local_tip(self) -> str | None:
        folder = self._address.folder
        return None if folder is None else branch_tip(folder, self._branch)

    def _known_tip(self) -> Revision:
        commit = self._objects.commit(self._reference)
        if commit is None:
            self._objects.damage = f"{self._reference} cannot be read"
            raise MirrorError("damaged", f"expected the fetched branch {self._branch!r} in the mirror, found none")
        return commit.revision

    def _update(self, *, first: bool) -> None:
        if self._objects.damage:
            if not self._is_sound():
                return self._rebuild(self._objects.damage)
            self._objects.damage = ""
        seconds = self._first_deadline_seconds if first else self._deadline_seconds
        ended = self._transfer(self._git, seconds)
        if ended.code == 0:
            return None
        self._bare.sweep()
        failure = self._failure(ended, seconds)
        if failure is None and not self._is_sound():
            return self._rebuild(telling(ended.errors))
        raise failure or MirrorError(
            "unreachable", self._redact(f"expected news from {self.address}, git failed: {telling(ended.errors)}")
        )

    def _transfer(self, git: Git, seconds: float) -> Ended:
        refspec = f"+refs/heads/{self._branch}:{self._reference}"
        return git.run(*FETCH, self._address.text, refspec, deadline_seconds=seconds)

    def _failure(self, ended: Ended, seconds: float) -> MirrorError | None:
        """What a failed transfer says about the remote; None when it says nothing."""
        if ended.code is None and self._git.closed:
            return MirrorError("timeout", "the mirror was closed while it was fetching")
        if ended.code is None:
            return MirrorError("timeout", f"expected an answer from {self.address} within {seconds:g} s, got none")
        found = explain(ended.errors, address=self.address, branch=self._branch)
        return MirrorError(found[0], self._redact(found[1])) if found else None

    def _is_sound(self) -> bool:
        ended = self._git.run("fsck", "--no-dangling", "--no-progress", deadline_seconds=self._first_deadline_seconds)
        return ended.code == 0

    def _rebuild(self, damage: str) -> None:
        """Fetch all into a new folder and put it into the place of the damaged one, which is read until then."""
        logger.warning("mirror %s is damaged, rebuilding it: %s", self._bare.folder, self._redact(damage))
        beside = BareFolder(self._bare.folder.with_name(f"{self._bare.folder.name}.rebuilt"), self.address)
        beside.discard()
        beside.prepare()
        seconds = self._first_deadline_seconds
        ended = self._transfer(self._git_in(beside), seconds)
        if ended.code != 0:
            beside.discard()
            failure = self._failure(ended, seconds)
            reason = failure.reason if failure else self._redact(telling(ended.errors))
            self._objects.damage = damage
            raise MirrorError("damaged", f"the mirror is damaged and could not be rebuilt: {reason}")
        with self._objects.paused():
            self._bare.replace_by(beside)

    def _tidy(self) -> None:
        """Join small packs now and then, when there is nothing else to do: each fetch leaves one."""
        if self._news < NEWS_BETWEEN_TIDYING:
            return
        self._news = 0
        with contextlib.suppress(MirrorError), self._bare.locked(0):
            self._git.run("repack", "-d", "-q", "--geometric=2", deadline_seconds=self._first_deadline_seconds)
            self._bare.sweep()

    def _git_in(self, bare: BareFolder, *, beside: Path | None = None) -> Git:
        """Git on a bare folder; it also finds the objects that stand in the folder ``beside``."""
        local = self._address.folder is not None
        environment = hardened_environment(
            self._address.protocol,
            home=NO_HOME,
            global_settings=str(bare.global_settings) if local else os.devnull,
            token=self._token,
        )
        if beside is not None:
            environment[OBJECTS_BESIDE] = quoted(beside)
        return Git(("--git-dir", str(bare.folder)), environment, limits=self._limits)


def quoted(folder: Path) -> str:
    """A folder as one entry of a list that git splits at colons; quoted, it may have any character in its name."""
    text = os.fsdecode(folder).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
