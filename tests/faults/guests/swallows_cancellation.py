"""Catches its cancellation, and goes on."""
# task: stuck | did not stop when asked and interrupted
# process: timed out | timeout
import asyncio
import time

async def run():
    end = time.monotonic() + 25
    while time.monotonic() < end:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            pass
