"""Sets another locale."""
# thread, task: succeeded | changed the locale
# process: succeeded
import locale

def run():
    here = locale.setlocale(locale.LC_ALL)
    locale.setlocale(locale.LC_ALL, "C.UTF-8" if here == "C" else "C")
