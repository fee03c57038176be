"""Whatever happens to the ticker: no slot twice, none silent. ``make fuzz`` takes 50,000 steps."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.support.slot_machine import SlotMachine

STEPS_A_LIFE = 50
IS_FUZZ = "LIVEGRAFT_FUZZ_STEPS" in os.environ
STEPS = int(os.environ.get("LIVEGRAFT_FUZZ_STEPS", "2000"))

TestSlotMachine = SlotMachine.TestCase
TestSlotMachine.settings = settings(
    max_examples=max(1, STEPS // STEPS_A_LIFE),
    stateful_step_count=STEPS_A_LIFE,
    deadline=None,
    derandomize=not IS_FUZZ,  # new cases are looked for by the fuzz; here the same ones must pass each time
    suppress_health_check=list(HealthCheck),
)
