"""``python -m livegraft``."""

from livegraft.cli import main

if __name__ == "__main__":
    main()
