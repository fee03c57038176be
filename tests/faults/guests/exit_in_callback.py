"""Exits in a callback of the event loop."""
# task: succeeded | went on
# process: failed | SystemExit
import asyncio
import sys

async def run():
    asyncio.get_running_loop().call_soon(sys.exit, 5)
    await asyncio.sleep(0.05)
    return "went on"
