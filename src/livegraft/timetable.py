"""Which schedules tick, and what a tick starts: those of live scripts; while no code is loaded all are missed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from livegraft.clock import Clock
from livegraft.decisions import Decisions
from livegraft.dispatcher import Dispatcher
from livegraft.errors import LivegraftError
from livegraft.header import read_header
from livegraft.release import LiveScript, Release
from livegraft.run import RunRecord, Trigger
from livegraft.schedule import Schedule
from livegraft.store import Slots
from livegraft.ticker import Entry, Ticker
from livegraft.works import Works


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
        slots: Slots,
        clock: Clock,
    ) -> None:
        self._release = release
        self._safe_mode = safe_mode
        self._decisions = decisions
        self._ticker = Ticker(slots=slots, clock=clock, starter=_Starter(works, dispatcher))
        self.start, self.stop, self.next_at = self._ticker.start, self._ticker.stop, self._ticker.next_at

    def replan(self, names: Iterable[str] | None = None) -> None:
        """Have the schedules of these scripts tick as they are now; None: of all, and no others."""
        release = self._release()
        if release is None:
            return
        scripts = release.scripts
        if self._safe_mode():
            self._ticker.replan(dict(_missed_entries(release)))
        elif names is None:
            self._ticker.replan({name: self._entry(each) for name, each in scripts.items() if each.header.schedules})
        else:
            self._ticker.change({name: self._entry(scripts[name]) if name in scripts else None for name in names})

    def _entry(self, script: LiveScript) -> Entry:
        header, quarantine = script.header, self._decisions.quarantines.get(script.name)
        reason = f"quarantined by {quarantine.actor}: {quarantine.reason}" if quarantine else ""
        return Entry(header.schedules, header.overlap, header.missed, header.jitter, reason)


def _missed_entries(release: Release) -> Iterator[tuple[str, Entry]]:
    """The schedules of a release of which nothing is loaded, by script, as the headers have them: all are missed."""
    for module in release.plan.modules.values():
        if module.is_script and module.source is not None:
            with contextlib.suppress(LivegraftError):
                header = read_header(module.path, module.source.text)
                if header.schedules:
                    yield (
                        module.script,
                        Entry(header.schedules, header.overlap, header.missed, missed_reason="safe mode"),
                    )


class _Starter:
    """How the ticker starts runs of live versions."""

    def __init__(self, works: Works, dispatcher: Dispatcher) -> None:
        self._works = works
        self._dispatcher = dispatcher
        self.open_run, self.launch = dispatcher.open_run, dispatcher.launch

    def prepare(self, script: str, schedule: Schedule, slot_at: datetime) -> RunRecord:
        work = self._works.live(script)
        return self._dispatcher.prepare(work, trigger=Trigger.CRON, actor="cron", arguments={})
