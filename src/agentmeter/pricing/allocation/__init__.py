"""Allocations: cost that depends on a whole period, shared out afterwards on lines of its own."""
