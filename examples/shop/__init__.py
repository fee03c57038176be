"""A small web shop, the host of the demonstration."""
