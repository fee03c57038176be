"""A process that looks on from outside: it sees who stalls the interpreter while nobody inside can (ADR 20)."""
