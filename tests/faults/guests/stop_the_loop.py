"""Stops the event loop that it runs on."""
# task: succeeded | went on
# process: failed | Event loop stopped
import asyncio

async def run():
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.05)
    return "went on"
