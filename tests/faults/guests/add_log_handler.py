"""Adds a handler to the root logger."""
# thread, task: succeeded | changed the handlers of the root logger
# process: succeeded
import logging

def run():
    logging.root.addHandler(logging.NullHandler())
