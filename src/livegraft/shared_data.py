"""Shared data: plain values under a name, that outlive versions and are shared by all processes of one store.

Scripts get it with ``from livegraft import shared``, hosts with ``supervisor.shared``. Values are JSON and
are copied in and out, so nothing that is kept here belongs to a version. Every change is one short
transaction of the store. An update of several keys does not hold that transaction while code of others
runs: the history of the whole host would wait for it. It holds a lock of its own, a lease on the name.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

from livegraft.clock import Clock
from livegraft.errors import BusyError, ConfigurationError, ConflictError, LivegraftError, StoreError
from livegraft.store import Shared, SharedLock, SharedName, SharedRows, SharedValue

VALUE_BYTES: Final = 64 * 1024
"""The most that a value may have as JSON."""

KEY_COUNT: Final = 10_000
"""The most keys under one name."""

NAME_COUNT: Final = 1_000
"""The most names in one store."""

NAME_CHARACTERS: Final = 100
KEY_CHARACTERS: Final = 200
DEPTH: Final = 50
"""How deep lists and dicts may be nested."""

UPDATE_SECONDS: Final = 30.0
"""How long an update keeps others from changing its name; one that takes longer is refused at its end."""

WAIT_SECONDS: Final = 10.0
"""How long a change waits for an update of somebody else."""

_LONGEST_EXPIRY: Final = timedelta(days=36_500)
_FIRST_PAUSE_SECONDS: Final = 0.001
_LAST_PAUSE_SECONDS: Final = 0.05
_WHOLE_NUMBERS: Final = 1 << 63
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*")


class Absent(Enum):
    """The type of ``ABSENT``."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return self.name


ABSENT: Final = Absent.ABSENT
"""Stands for the value of a key that is not there: in ``compare_and_set``, on both sides."""


class SharedDataError(LivegraftError):
    """A name, a key or a value cannot be shared data: its type, its size, its characters."""

    code = "shared_data"


class SharedSpace:
    """All shared data of one store: ``shared("counters")`` is what is kept under a name.

    ``process`` names this process, ``is_alive`` tells of a name whether that process still runs.
    """

    def __init__(self, *, ledger: Shared, clock: Clock, process: str, is_alive: Callable[[str], bool]) -> None:
        self.ledger: Final = ledger
        self.clock: Final = clock
        self._process = process
        self._is_alive = is_alive
        self._updates = itertools.count()
        ledger.prune(clock.now())

    def __call__(self, name: str) -> SharedData:
        """The data of a name, which need not exist yet. Raises SharedDataError for what cannot be a name."""
        return SharedData(self, checked_name(name))

    def names(self) -> Sequence[SharedName]:
        """Every name that has a value, in order."""
        return self.ledger.names(self.clock.now())

    def find(self, name: str) -> SharedName | None:
        """What is kept under one name; None when that is nothing."""
        return next(iter(self.ledger.names(self.clock.now(), name)), None)

    @contextmanager
    def changing(self, name: str) -> Iterator[SharedRows]:
        """A transaction on a name that nobody else updates.

        Raises BusyError when the update of somebody else does not end within ``WAIT_SECONDS``, ConflictError
        inside an update of the same name.
        """
        ends = self.clock.monotonic() + WAIT_SECONDS
        pause = _FIRST_PAUSE_SECONDS
        while True:
            now = self.clock.now()
            with self.ledger.changing(name, now) as rows:
                lock = rows.lock
                if lock is None or not self._holds(lock, now):
                    yield rows
                    return
            self._refuse_own(name, lock)
            if self.clock.monotonic() >= ends:
                raise BusyError(
                    f"expected shared data {name!r} to be free within {WAIT_SECONDS:g} s, an update holds it until "
                    f"{lock.until:%H:%M:%S} UTC; keep what stands inside `with ... .update()` short"
                )
            self.clock.wait(threading.Event(), pause)
            pause = min(2 * pause, _LAST_PAUSE_SECONDS)

    def lock(self, name: str) -> str:
        """Keep others from changing a name until ``unlock``; returns the holder's id. Raises as ``changing`` does."""
        holder = f"{self._me()}{next(self._updates)}"
        with self.changing(name) as rows:
            refuse_more_names(rows)
            rows.lock = SharedLock(holder, self.clock.now() + timedelta(seconds=UPDATE_SECONDS))
        return holder

    @contextmanager
    def unlocking(self, name: str, holder: str) -> Iterator[SharedRows]:
        """The transaction that ends an update. Raises ConflictError when it took too long."""
        now = self.clock.now()
        with self.ledger.changing(name, now) as rows:
            if rows.lock is None or rows.lock.holder != holder or rows.lock.until <= now:
                raise ConflictError(
                    f"expected the update of shared data {name!r} to take less than {UPDATE_SECONDS:g} s, it took "
                    "longer and nothing of it was kept; do the slow part before `with ... .update()`"
                )
            yield rows
            rows.lock = None

    def unlock(self, name: str, holder: str) -> None:
        """Let go of a name without a change; a lock that others have taken since stays."""
        with self.ledger.changing(name, self.clock.now()) as rows:
            if rows.lock is not None and rows.lock.holder == holder:
                rows.lock = None

    def _holds(self, lock: SharedLock, now: datetime) -> bool:
        process = lock.holder.partition("/")[0]
        return lock.until > now and (process == self._process or self._is_alive(process))

    def _refuse_own(self, name: str, lock: SharedLock) -> None:
        if lock.holder.startswith(self._me()):
            raise ConflictError(
                f"expected no other change of shared data {name!r} inside an update of it; change the draft"
            )

    def _me(self) -> str:
        return f"{self._process}/{threading.get_ident()}/"


class SharedData(Mapping[str, Any]):
    """What is kept under one name: plain values by key, read and changed by any thread of any process.

    What is read is a copy: changing it changes nothing. Every method is atomic by itself; ``update``
    makes several changes one. Raises SharedDataError for a key or a value that cannot be kept, BusyError
    when a bound is reached or somebody else's update does not end, StoreError when the store fails.
    """

    __slots__ = ("_space", "name")

    def __init__(self, space: SharedSpace, name: str) -> None:
        self._space = space
        self.name: Final = name

    def __repr__(self) -> str:
        return f"<shared data {self.name!r}>"

    def __getitem__(self, key: str) -> Any:
        found = self._space.ledger.get(self.name, checked_key(key), self._space.clock.now())
        if found is None:
            raise KeyError(key)
        return json.loads(found.text)

    def __iter__(self) -> Iterator[str]:
        return iter(self._space.ledger.keys(self.name, self._space.clock.now()))

    def __len__(self) -> int:
        found = self._space.find(self.name)
        return found.key_count if found else 0

    def copy(self) -> dict[str, Any]:
        """All of it, as of one moment."""
        return {each.key: json.loads(each.text) for each in self.rows()}

    def rows(self, *, after: str | None = None, limit: int | None = None) -> Sequence[SharedValue]:
        """The values as they are kept, by key, behind a given key."""
        return self._space.ledger.find(self.name, self._space.clock.now(), after=after, limit=limit)

    def __setitem__(self, key: str, value: Any) -> None:
        self.put(key, value)

    def put(self, key: str, value: Any, *, expires_in: timedelta | None = None) -> None:
        """Keep a value; after ``expires_in`` it is gone (default: it stays, whatever was said before)."""
        checked_key(key)
        text = encoded(value)
        with self._space.changing(self.name) as rows:
            _put(rows, key, text, self._space.clock.now(), expires_in)

    def __delitem__(self, key: str) -> None:
        if not self.discard(key):
            raise KeyError(key)

    def discard(self, key: str) -> bool:
        """Delete a key if it is there; whether it was."""
        checked_key(key)
        with self._space.changing(self.name) as rows:
            return rows.drop(key)

    def clear(self) -> None:
        """Delete every key."""
        with self._space.changing(self.name) as rows:
            rows.drop_all()

    def add(self, key: str, amount: float = 1, *, expires_in: timedelta | None = None) -> Any:
        """Add to a number and return the sum. A key that is not there counts from 0.

        ``expires_in`` is for a key that is made by this; one that is there keeps its expiry.
        """
        checked_key(key)
        if type(amount) not in (int, float):
            raise SharedDataError(f"expected an amount to add to be int or float, got: {type(amount).__qualname__}")
        with self._space.changing(self.name) as rows:
            before = rows.get(key)
            number = json.loads(before.text) if before else 0
            if type(number) not in (int, float):
                raise SharedDataError(
                    f"expected {key!r} of shared data {self.name!r} to hold a number, got: {type(number).__qualname__}"
                )
            total = number + amount
            now = self._space.clock.now()
            if before is None:
                _put(rows, key, encoded(total), now, expires_in)
            else:
                rows.put(SharedValue(key, encoded(total), now, before.expires_at))
        return total

    def compare_and_set(self, key: str, expected: Any, new: Any, *, expires_in: timedelta | None = None) -> bool:
        """Keep ``new`` if the value is ``expected``; whether it was. ``ABSENT`` stands for no value, on both sides.

        Values are compared as JSON: ``1``, ``1.0`` and ``True`` differ, the order of a dict's keys does not count.
        """
        checked_key(key)
        wanted = expected if expected is ABSENT else _canonical(encoded(expected))
        text = new if new is ABSENT else encoded(new)
        with self._space.changing(self.name) as rows:
            before = rows.get(key)
            if (ABSENT if before is None else _canonical(before.text)) != wanted:
                return False
            if isinstance(text, Absent):
                rows.drop(key)
            else:
                _put(rows, key, text, self._space.clock.now(), expires_in)
        return True

    @contextmanager
    def update(self) -> Iterator[Draft]:
        """All or nothing over several keys: ``with data.update() as draft:`` change the draft as a dict.

        Others read the state before until the block ends, and their changes wait for it, ``WAIT_SECONDS`` at
        most. An exception leaves nothing. A block that takes longer than ``UPDATE_SECONDS`` raises
        ConflictError at its end and leaves nothing; so does any other change of this name inside it.
        """
        holder = self._space.lock(self.name)
        draft = Draft(self)
        try:
            yield draft
            changes = draft.changes()
            with self._space.unlocking(self.name, holder) as rows:
                _apply(rows, changes, self._space.clock.now())
        except BaseException:
            # The lease ends by itself, and what went wrong must not be hidden by a store that fails too.
            with suppress(StoreError):
                self._space.unlock(self.name, holder)
            raise
        finally:
            draft.close()


class _Change:
    """What a draft does to a key: a new text, or None to delete; ``expires_in`` or the expiry of before."""

    __slots__ = ("expires_at", "expires_in", "key", "text")

    def __init__(
        self, key: str, text: str | None, *, expires_in: timedelta | None = None, expires_at: datetime | None = None
    ) -> None:
        self.key, self.text, self.expires_in, self.expires_at = key, text, expires_in, expires_at


class Draft(MutableMapping[str, Any]):
    """The shared data of a name inside an update: a dict whose changes are kept together at the end.

    What is read from it may be changed in place: ``draft["orders"].append(17)`` is kept.
    """

    def __init__(self, data: SharedData) -> None:
        self._data: SharedData | None = data
        self._before: dict[str, SharedValue | None] = {}
        self._values: dict[str, Any] = {}
        self._expires_in: dict[str, timedelta | None] = {}

    def __getitem__(self, key: str) -> Any:
        value = self._seen(key)
        if value is ABSENT:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self.put(key, value)

    def put(self, key: str, value: Any, *, expires_in: timedelta | None = None) -> None:
        """As ``SharedData.put``."""
        text = encoded(value)
        self._seen(key)
        self._values[key] = json.loads(text)
        self._expires_in[key] = _checked_expiry(expires_in)

    def __delitem__(self, key: str) -> None:
        if self._seen(key) is ABSENT:
            raise KeyError(key)
        self._values[key] = ABSENT

    def clear(self) -> None:
        """Delete every key."""
        for key in list(self):
            del self[key]

    def __iter__(self) -> Iterator[str]:
        kept = set(self._open()) - self._values.keys()
        return iter(sorted(kept | {key for key, value in self._values.items() if value is not ABSENT}))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def changes(self) -> Sequence[_Change]:
        """What is to be kept. Raises SharedDataError for a value that was changed into what cannot be kept."""
        found = []
        for key, value in self._values.items():
            before = self._before[key]
            text = None if value is ABSENT else encoded(value)
            if key in self._expires_in:
                found.append(_Change(key, text, expires_in=self._expires_in[key]))
            elif text != (before.text if before else None):
                found.append(_Change(key, text, expires_at=before.expires_at if before else None))
        # Room is made before it is taken.
        return sorted(found, key=lambda change: change.text is not None)

    def close(self) -> None:
        self._data = None

    def _seen(self, key: str) -> Any:
        data = self._open()
        if key not in self._values:
            space = data._space
            before = space.ledger.get(data.name, checked_key(key), space.clock.now())
            self._before[key] = before
            self._values[key] = json.loads(before.text) if before else ABSENT
        return self._values[key]

    def _open(self) -> SharedData:
        if self._data is None:
            raise SharedDataError("expected a draft to be used inside its `with ... .update()`, it has ended")
        return self._data


class _Nowhere(SharedSpace):
    """Stands for a space where there is none: its data can be named, and not be used."""

    def __init__(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ConfigurationError(
            "expected shared data to be used by a script that livegraft has loaded, there is no store outside of one; "
            "hosts call supervisor.shared(name)"
        )


_NOWHERE: Final = _Nowhere()


def shared(name: str) -> SharedData:
    """The shared data of a name, for scripts: plain values that outlive versions.

    Version code that imports this gets the one of its own supervisor in its place. Elsewhere, as where a
    script is imported by a test or a probe, the data can be named; using it raises ConfigurationError.
    """
    return _NOWHERE(name)


def checked_name(name: str) -> str:
    """The name, if it can be one of shared data. Raises SharedDataError."""
    if not isinstance(name, str) or len(name) > NAME_CHARACTERS or not _NAME.fullmatch(name):
        raise SharedDataError(
            f"expected the name of shared data to be letters, digits, '_' and '-', in parts set off by '.' or '/', "
            f"at most {NAME_CHARACTERS} characters, got: {_shown(name)}"
        )
    return str(name)


def checked_key(key: str) -> str:
    """The key, if it can be one of shared data. Raises SharedDataError."""
    if not isinstance(key, str) or not 0 < len(key) <= KEY_CHARACTERS or not key.isprintable():
        raise SharedDataError(
            f"expected a key of shared data to be 1 to {KEY_CHARACTERS} printable characters, got: {_shown(key)}"
        )
    return key


def encoded(value: Any) -> str:
    """A plain value as JSON. Raises SharedDataError for anything else, and for one that is too large."""
    _refuse_what_is_not_plain(value, None, 0)
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise SharedDataError(f"expected text in shared data to be Unicode, got: {error.object[:50]!r}") from None
    if size > VALUE_BYTES:
        raise SharedDataError(
            f"expected a value of shared data to have at most {VALUE_BYTES} bytes as JSON, got: {size}; "
            "keep large things in files or in a database of the host"
        )
    return text


def refuse_more_names(rows: SharedRows) -> None:
    if rows.is_new and rows.name_count() >= NAME_COUNT:
        raise BusyError(
            f"expected at most {NAME_COUNT} names of shared data, got one more; delete one that is not used"
        )


def _put(rows: SharedRows, key: str, text: str, now: datetime, expires_in: timedelta | None) -> None:
    expires_in = _checked_expiry(expires_in)
    if rows.key_count >= KEY_COUNT and rows.get(key) is None:
        raise BusyError(
            f"expected at most {KEY_COUNT} keys under a name of shared data, got one more; delete some, or put them "
            "with expires_in"
        )
    refuse_more_names(rows)
    rows.put(SharedValue(key, text, now, None if expires_in is None else now + expires_in))


def _apply(rows: SharedRows, changes: Sequence[_Change], now: datetime) -> None:
    for change in changes:
        if change.text is None:
            rows.drop(change.key)
        elif change.expires_at is not None:
            rows.put(SharedValue(change.key, change.text, now, change.expires_at))
        else:
            _put(rows, change.key, change.text, now, change.expires_in)


def _checked_expiry(expires_in: timedelta | None) -> timedelta | None:
    if expires_in is not None and (
        type(expires_in) is not timedelta or not timedelta(0) < expires_in <= _LONGEST_EXPIRY
    ):
        expected = f"above zero, and of {_LONGEST_EXPIRY.days:,} days at most"
        raise SharedDataError(f"expected expires_in to be a timedelta {expected}, got: {expires_in!r}")
    return expires_in


_Place = tuple["_Place", int | str] | None
"""Where in a value something stands: what it stands in, and at which index or key."""


def _refuse_what_is_not_plain(value: Any, place: _Place, depth: int) -> None:
    """Exact types only: an instance of a subclass would come back as something else."""
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return
    if kind is int:
        if not -_WHOLE_NUMBERS <= value < _WHOLE_NUMBERS:
            raise SharedDataError(f"expected whole numbers in shared data to fit 64 bits{_at(place)}; keep it as str")
    elif kind is float:
        if not math.isfinite(value):
            raise SharedDataError(f"expected numbers in shared data to be finite, got: {value!r}{_at(place)}")
    elif depth >= DEPTH:
        raise SharedDataError(f"expected shared data to be nested at most {DEPTH} deep, and not to contain itself")
    elif kind is list:
        for index, each in enumerate(value):
            _refuse_what_is_not_plain(each, (place, index), depth + 1)
    elif kind is dict:
        for key, each in value.items():
            if type(key) is not str:
                raise SharedDataError(
                    f"expected the keys of dicts in shared data to be str, got: {type(key).__qualname__}{_at(place)}"
                )
            _refuse_what_is_not_plain(each, (place, key), depth + 1)
    else:
        raise SharedDataError(
            "expected shared data to be plain (None, bool, int, float, str, list, dict), "
            f"got: {kind.__qualname__}{_at(place)}"
        )


def _at(place: _Place) -> str:
    steps = []
    while place is not None:
        place, step = place
        steps.append(f"[{step[:50] if isinstance(step, str) else step!r}]")
    return f" at {''.join(reversed(steps))}" if steps else ""


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _shown(given: object) -> str:
    return repr(given[:50]) if isinstance(given, str) else type(given).__qualname__
