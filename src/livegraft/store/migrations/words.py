"""The type of columns with text, in every database compared by its bytes."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

WORDS: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""PostgreSQL would order ids and names by the rules of a language: pages go from id to id."""
