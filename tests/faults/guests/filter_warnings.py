"""Hides all warnings."""
# thread, task: succeeded | changed the warnings filters
# process: succeeded
import warnings

def run():
    warnings.simplefilter("ignore")
