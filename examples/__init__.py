"""The demonstration: a web shop with livegraft in it, and the scripts that its team would write."""
