"""Where entries are kept and read back from."""
