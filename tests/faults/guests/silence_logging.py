"""Silences all loggers."""
# thread, task: succeeded | changed the level of the root logger or of all loggers
# process: succeeded
import logging

def run():
    logging.disable(logging.CRITICAL)
