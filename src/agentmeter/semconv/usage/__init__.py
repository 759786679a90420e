"""Providers' usage objects → disjoint meters, and what else such an object states.

The shapes are tables, one module per family; ``reading`` reads all of them.
"""

from agentmeter.semconv.usage.mapping import plain_mapping
from agentmeter.semconv.usage.reading import whole_number
from agentmeter.semconv.usage.stating import Stated, in_our_word, normalise, stated

__all__ = ["Stated", "in_our_word", "normalise", "plain_mapping", "stated", "whole_number"]
