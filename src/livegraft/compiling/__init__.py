"""Reading many new files at once: compiled by processes of their own, while the host has the interpreter to itself."""
