"""Never comes to its end."""
# thread, task, process: timed out | timeout
def run():
    while True:
        sum(range(100))
