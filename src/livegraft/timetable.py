"""Which schedules tick, and what a tick starts: those of live scripts; what suspends them is told with each slot."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from livegraft.clock import Clock
from livegraft.decisions import LIVEGRAFT, Decisions
from livegraft.dispatcher import Dispatcher
from livegraft.due import CatchUp
from livegraft.errors import ConfigurationError, ConflictError, LivegraftError, NotFoundError
from livegraft.events import Events
from livegraft.header import Header, read_header
from livegraft.release import Release
from livegraft.run import RunRecord, Trigger
from livegraft.store import SlotCause, SlotRecord, Store
from livegraft.ticker import Entry, Suspension, Ticker
from livegraft.usher import Usher
from livegraft.work import PreparedRun
from livegraft.works import Works

logger = logging.getLogger(__name__)

WARNING_PAUSE: Final = timedelta(hours=1)
"""Of one script it is said once in that time that its runs outlast their interval."""


@dataclass(frozen=True, slots=True)
class SlotPolicy:
    """What headers get if they say nothing, and the most that they may ask for.

    ``missed_window_seconds`` bounds the age of slots that are caught up, ``missed_limit`` their number under
    ``missed = "all"``, ``overlap_limit`` how many wait under ``overlap = "queue"``. Raises ConfigurationError.
    """

    missed_window_seconds: float = 7 * 86_400.0
    missed_limit: int = 100
    overlap_limit: int = 10

    def __post_init__(self) -> None:
        for name in ("missed_window_seconds", "missed_limit", "overlap_limit"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"expected {name} to be at least 0, got: {getattr(self, name)}")

    def catch_up(self, header: Header) -> CatchUp:
        """Which missed slots of a script are caught up."""
        window = timedelta(seconds=self.missed_window_seconds)
        return CatchUp(
            header.missed,
            min(window if header.missed_window is None else header.missed_window, window),
            min(self.missed_limit if header.missed_limit is None else header.missed_limit, self.missed_limit),
        )

    def waiting(self, header: Header) -> int:
        """How many slots of a script may wait."""
        return min(self.overlap_limit if header.overlap_limit is None else header.overlap_limit, self.overlap_limit)


class Timetable:
    """Keeps the ticker at what is live; ``safe_mode`` is why no code is loaded, empty when it is."""

    def __init__(
        self,
        *,
        release: Callable[[], Release | None],
        safe_mode: Callable[[], str],
        decisions: Decisions,
        works: Works,
        dispatcher: Dispatcher,
        store: Store,
        clock: Clock,
        events: Events,
        policy: SlotPolicy,
    ) -> None:
        self._release = release
        self._safe_mode = safe_mode
        self._decisions = decisions
        self._policy = policy
        self._store = store
        self._clock = clock
        self._events = events
        self._warned_at: dict[str, datetime] = {}
        self._usher = Usher(
            runs=store.runs,
            clock=clock,
            dispatcher=dispatcher,
            live_work=works.live,
            may_begin=lambda: release() is not None and not safe_mode(),
            catch_up=policy.catch_up,
        )
        self.wake, self.ended = self._usher.wake, self._usher.ended
        self._ticker = Ticker(
            slots=store.slots,
            clock=clock,
            starter=_Starter(works, dispatcher, store, self._usher),
            told=self._tell,
            jumped=self._tell_jump,
        )
        self.next_at, self.coming = self._ticker.next_at, self._ticker.coming
        self.coming_of, self.all_coming = self._ticker.coming_of, self._ticker.all_coming

    def start(self) -> None:
        """Begin to tick and to look after waiting runs. Idempotent."""
        self._ticker.start()
        self._usher.start()

    def stop(self) -> None:
        """Start nothing from now on. Idempotent."""
        self._ticker.stop()
        self._usher.stop()

    def replan(self, names: Iterable[str] | None = None) -> None:
        """Have the schedules of these scripts tick as they are now; None: of all, and no others."""
        release = self._release()
        if release is None:
            return
        scripts = release.scripts
        if reason := self._safe_mode():
            suspended = Suspension(SlotCause.SAFE_MODE, f"safe mode: {reason}")
            self._ticker.replan(self._entries(dict(_headers(release)), suspended))
        elif names is None:
            self._ticker.replan(self._entries({name: script.header for name, script in scripts.items()}))
        else:
            gone = dict.fromkeys(names)
            entries = self._entries({name: scripts[name].header for name in gone if name in scripts})
            self._ticker.change({**gone, **entries})
        self._usher.wake()

    def _entries(self, headers: Mapping[str, Header], suspended: Suspension | None = None) -> dict[str, Entry]:
        """What the ticker is to know of those of some scripts that have schedules, by name.

        Scripts with one header have one entry, unless they are suspended: there may be thousands.
        """
        shared: dict[int, Entry] = {}
        entries = {}
        for name, header in headers.items():
            if header.schedules:
                entry = shared.get(id(header)) or shared.setdefault(id(header), self._entry(header))
                why = suspended or self._suspended(name)
                entries[name] = entry if why is None else replace(entry, suspended=why)
        return entries

    def _entry(self, header: Header) -> Entry:
        return Entry(
            header.schedules,
            header.overlap,
            self._policy.catch_up(header),
            header.jitter,
            overlap_limit=self._policy.waiting(header),
        )

    def _suspended(self, name: str) -> Suspension | None:
        if quarantine := self._decisions.quarantines.get(name):
            return Suspension(SlotCause.QUARANTINE, f"quarantined by {quarantine.actor}: {quarantine.reason}")
        if pause := self._decisions.pauses.get(name):
            return Suspension(SlotCause.PAUSED, f"paused by {pause.actor}: {pause.reason}".removesuffix(": "))
        return None

    def _tell(self, slot: SlotRecord) -> None:
        """A slot was not simply run at its time."""
        self._events.emit("slot", slot.script, state=slot.state.value, cause=slot.cause.value, reason=slot.reason)
        if slot.cause is not SlotCause.OVERLAP:
            return
        warned_at = self._warned_at.get(slot.script)
        if warned_at is None or abs(slot.decided_at - warned_at) >= WARNING_PAUSE:
            self._warned_at[slot.script] = slot.decided_at
            logger.warning(
                "runs of %s outlast their interval: its slot of %s %s", slot.script, slot.slot_at, slot.reason
            )

    def _tell_jump(self, by: timedelta) -> None:
        self._store.audit.add(self._clock.now(), LIVEGRAFT, "clock jump", "", {"seconds": by.total_seconds()})


def _headers(release: Release) -> Iterator[tuple[str, Header]]:
    """The headers of a release of which nothing is loaded, by script."""
    for module in release.plan.modules.values():
        if module.is_script and module.source is not None:
            with contextlib.suppress(LivegraftError):
                yield module.script, read_header(module.path, module.source.head)


class _Starter:
    """How the ticker starts runs of live versions."""

    def __init__(self, works: Works, dispatcher: Dispatcher, store: Store, usher: Usher) -> None:
        self._works = works
        self._dispatcher = dispatcher
        self._runs = store.runs
        self._usher = usher

    def open_run(self, script: str) -> str | None:
        slots = self._slots(script)
        return self._dispatcher.view.open_run(script) or (slots[0].id if slots else None)

    def waiting(self, script: str) -> int:
        return len(self._slots(script))

    def prepare(self, script: str, slot_at: datetime, *, waits: bool) -> RunRecord:
        prepared = self._dispatcher.prepare(
            self._works.live(script), trigger=Trigger.CRON, actor="cron", arguments={}, slot_at=slot_at
        )
        return self._dispatcher.put_off(prepared, due_at=slot_at) if waits else prepared

    def launch(self, run: RunRecord) -> None:
        if isinstance(run, PreparedRun):
            self._dispatcher.launch(run)
        else:
            self._usher.wake()

    def replace(self, run: RunRecord) -> None:
        waiting = [each.id for each in self._slots(run.script) if each.id != run.id]
        for id in [*waiting, *self._dispatcher.view.open_runs(run.script)]:
            with contextlib.suppress(ConflictError, NotFoundError):  # it ended, is asked, or is another process's
                self._dispatcher.cancel(id, reason=f"replaced by run {run.id}")

    def _slots(self, script: str) -> list[RunRecord]:
        """The slots of a script that wait; runs that a person put off to an instant are none."""
        return [run for run in self._runs.waiting(script=script) if run.slot_at is not None]
