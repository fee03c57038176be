"""Where a local repository keeps its branches."""

from __future__ import annotations

from pathlib import Path

from livegraft.mirror.objects import OBJECT_ID


def common_folder(repository: Path) -> Path | None:
    """The folder with the branches: of a bare repository, a work tree, or a linked work tree. None for none of them."""
    inner = repository / ".git"
    try:
        if inner.is_file():
            inner = repository / inner.read_text().removeprefix("gitdir:").strip()
        folder = inner if inner.is_dir() else repository
        if not (folder / "HEAD").is_file():
            return None
        shared = folder / "commondir"
        return (folder / shared.read_text().strip()).resolve() if shared.is_file() else folder.resolve()
    except (OSError, ValueError):
        return None


def object_folder(repository: Path | None) -> Path | None:
    """Where a local repository keeps its objects; None for none of them."""
    folder = common_folder(repository) if repository is not None else None
    return folder / "objects" if folder is not None else None


def branch_tip(repository: Path, branch: str) -> str | None:
    """The commit that a branch names, if a plain file of its own says so; None when git must be asked.

    A file of its own wins over packed references, so what it says is right when it is there.
    """
    folder = common_folder(repository)
    if folder is None:
        return None
    try:
        text = (folder / "refs" / "heads" / branch).read_text().strip()
    except (OSError, ValueError):
        return None
    return text if OBJECT_ID.fullmatch(text) else None
