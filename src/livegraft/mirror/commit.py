"""Reading a raw commit object."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from livegraft.revision import Revision

PARENT = re.compile(rb"^parent ([0-9a-f]{40}|[0-9a-f]{64})$", re.MULTILINE)
TREE = re.compile(rb"tree ([0-9a-f]{40}|[0-9a-f]{64})\n")
PERSON = re.compile(rb"(?P<name>[^<]*)<(?P<email>[^>]*)>(?: (?P<seconds>-?\d{1,15}) [+-]\d{4})?.*")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of text: they would let a commit rewrite what people see."""

SUBJECT_BYTES = 4096
PERSON_CHARACTERS = 200
SUBJECT_CHARACTERS = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as people see it, the id of its tree and the ids of the commits that it follows."""

    revision: Revision
    tree: str
    parents: tuple[str, ...] = ()


def parse_commit(id: str, data: bytes) -> Commit:
    """Read the content of a commit object. What is malformed is replaced; ValueError only without a tree."""
    head, _, message = data.partition(b"\n\n")
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\n"):
        # Lines that begin with a space go on with the field before (a signature); they get the name "".
        name, _, value = line.partition(b" ")
        fields[name] = value
    tree = TREE.match(data)
    if tree is None:
        raise ValueError(f"expected a commit with a tree, got: {id}")
    encoding = _known_encoding(fields.get(b"encoding", b"utf-8"))
    author = PERSON.fullmatch(fields.get(b"author", b""))
    committer = PERSON.fullmatch(fields.get(b"committer", b""))
    revision = Revision(
        id=id,
        author=_text(author["name"] if author else b"", encoding, PERSON_CHARACTERS),
        email=_text(author["email"] if author else b"", encoding, PERSON_CHARACTERS),
        committed_at=_instant(committer["seconds"] if committer else None),
        subject=_text(_subject(message), encoding, SUBJECT_CHARACTERS),
    )
    return Commit(revision, tree[1].decode(), tuple(id.decode() for id in PARENT.findall(head)))


def _subject(message: bytes) -> bytes:
    """The lines of the first paragraph as one, as git shows them."""
    paragraph: list[bytes] = []
    for line in message[:SUBJECT_BYTES].partition(b"\0")[0].split(b"\n"):
        if line.strip():
            paragraph.append(line.rstrip())
        elif paragraph:
            break
    return b" ".join(paragraph)


def _text(data: bytes, encoding: str, most: int) -> str:
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", data.decode(encoding, "replace").strip())[:most]


def _known_encoding(name: bytes) -> str:
    try:
        found = codecs.lookup(name.decode("ascii")).name
        b" ".decode(found, "replace")  # refuses codecs that are no text encodings, such as zlib
    except (LookupError, UnicodeError, ValueError):
        return "utf-8"
    return found


def _instant(seconds: bytes | None) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds or 0), UTC)
    except (OverflowError, ValueError, OSError):
        return EPOCH
