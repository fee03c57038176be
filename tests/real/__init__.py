"""Real packages, as released, taken through livegraft: several versions each, with their own test suites."""
