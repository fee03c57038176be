"""Small real packages in a folder of their own on ``sys.path``: installed, upgraded and removed while a test runs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

DESCRIPTION = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"


class Packages:
    """What is installed in one folder, as an installer would leave it there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(
        self,
        name: str,
        version: str,
        *,
        modules: Mapping[str, str] | None = None,
        requires: Sequence[str] = (),
        extras: Sequence[str] = (),
    ) -> None:
        """Put a package there, in place of another version of it; by default one module that knows its version."""
        self.remove(name)
        files = modules or {f"{name}/__init__.py": f"VERSION = {version!r}\n"}
        for path, text in files.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        described = self.folder / f"{name}-{version}.dist-info"
        described.mkdir()
        lines = [f"Provides-Extra: {extra}\n" for extra in extras] + [f"Requires-Dist: {each}\n" for each in requires]
        (described / "METADATA").write_text(DESCRIPTION.format(name=name, version=version) + "".join(lines))
        record = [*files, f"{described.name}/METADATA", f"{described.name}/RECORD"]
        (described / "RECORD").write_text("".join(f"{path},,\n" for path in record))

    def remove(self, name: str) -> None:
        """Take a package away with its files."""
        for described in self.folder.glob(f"{name}-*.dist-info"):
            for line in (described / "RECORD").read_text().splitlines():
                (self.folder / line.partition(",")[0]).unlink()
            shutil.rmtree(described)


@contextmanager
def a_package_folder(folder: Path) -> Iterator[Packages]:
    """A folder to install into, on ``sys.path`` while the block lasts; what was imported from it is forgotten then."""
    folder.mkdir(parents=True, exist_ok=True)
    sys.path.append(str(folder))
    before = set(sys.modules)
    try:
        yield Packages(folder)
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
                del sys.modules[name]
        sys.path_importer_cache.pop(str(folder), None)
