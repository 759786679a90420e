"""Budgets that hold."""
