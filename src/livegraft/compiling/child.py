"""The process that compiles: it executes nothing, and needs nothing of livegraft but what reads a file.

It says which Python it is, a line. Then it is sent batches and answers each: the number of texts, and for each its path
and its bytes; the answer has as many pieces: what was found in the file (``livegraft.packed``), or nothing for a file
that the host had better read itself, because the compiler has something to say of it. Numbers and lengths are four
bytes, the lowest first. It ends with its standard input.
"""

from __future__ import annotations

import gc
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

NUMBER_BYTES = 4


def main() -> None:
    # The package alone, without what its ``__init__`` imports: that is for hosts, and takes longer than 500 files.
    package = ModuleType("livegraft")
    package.__path__ = [str(Path(__file__).resolve().parent.parent)]
    sys.modules["livegraft"] = package
    from livegraft.packed import python

    gc.disable()  # what is compiled has no cycles, and goes with its batch
    warnings.simplefilter("error")  # the compiler makes syntax errors of its warnings then
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    outgoing.write(python().encode() + b"\n")
    outgoing.flush()
    while head := incoming.read(NUMBER_BYTES):
        answer = bytearray()
        for _ in range(int.from_bytes(head, "little")):
            packed = read(_piece(incoming).decode(errors="surrogatepass"), _piece(incoming))
            answer += len(packed).to_bytes(NUMBER_BYTES, "little") + packed
        outgoing.write(answer)
        outgoing.flush()


def read(path: str, data: bytes) -> bytes:
    from livegraft.packed import read_packed

    return read_packed(path, data)[1] or b""


def _piece(stream: BinaryIO) -> bytes:
    return stream.read(int.from_bytes(stream.read(NUMBER_BYTES), "little"))


if __name__ == "__main__":
    main()
