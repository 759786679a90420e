"""From entries to requests: the fold and the tree."""
