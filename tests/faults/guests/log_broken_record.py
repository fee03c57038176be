"""Logs what cannot be formatted."""
# thread, task, process: succeeded | went on
import logging

def run():
    logging.getLogger(__name__).warning("%d of %d", 1)
    return "went on"
