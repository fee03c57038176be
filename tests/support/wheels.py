"""A folder of wheels, made by the tests themselves: an index that needs no network."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path


class Wheels:
    """Small pure wheels in one folder, as an index of them would offer them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(
        self,
        name: str,
        version: str,
        *,
        modules: Mapping[str, str] | None = None,
        requires: Sequence[str] = (),
        python: str = "",
    ) -> Path:
        """Offer a package; by default it is one module that knows its version."""
        described = f"{name}-{version}.dist-info"
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {each}" for each in requires]
        lines += [f"Requires-Python: {python}"] if python else []
        files = dict(modules or {f"{name}.py": f"VERSION = {version!r}\n"})
        files[f"{described}/METADATA"] = "\n".join(lines) + "\n"
        files[f"{described}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        record = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in files.items())
        wheel = self.folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)
            archive.writestr(f"{described}/RECORD", f"{record}{described}/RECORD,,\n")
        return wheel


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
