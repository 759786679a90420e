"""Where a call's input comes from: told apart off the caller's thread, kept without its text."""
