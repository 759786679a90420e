"""Reports as files: what is written is computed elsewhere."""
