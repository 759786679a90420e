"""The report value, its JSON values and its plain text."""
