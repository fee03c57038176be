"""What the tests share: waiting for conditions, and building real Git repositories."""

from tests.support.repository import Repository
from tests.support.waiting import eventually

__all__ = ["Repository", "eventually"]
