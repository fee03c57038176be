"""Leaves a task behind that cannot be cancelled."""
# task: succeeded | left behind 1 task
# process: timed out | timeout
import asyncio
import time

async def stay():
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            pass

async def run():
    asyncio.create_task(stay())
    await asyncio.sleep(0)
