"""The errors agentmeter raises on purpose.

    AgentmeterError
    ├── UsageError          a quantity that cannot be: negative, fractional, overlapping
    ├── MoneyError          an amount that is not exact money, or two currencies in one sum
    ├── ScopeError          a scope entered twice, or used outside of its life
    ├── ConfigurationError  a setting that cannot be used
    │   ├── RateCardError   a rate card that cannot be read: names file, table and field
    │   └── PlanError       a plan that cannot be: in a file it names file, line and field
    └── SourceError         a source of records of which nothing could be read

Each is also the built-in error that a caller would expect (``ValueError``, ``RuntimeError`` …).
A fault *inside* metering is none of these: it is caught at one boundary, counted and shown.
"""


class AgentmeterError(Exception):
    """The root of every error that agentmeter raises on purpose."""


class UsageError(AgentmeterError, ValueError):
    """A quantity that cannot be: negative, fractional, or a part larger than its whole."""


class MoneyError(AgentmeterError, ValueError):
    """An amount that is not exact money, or two currencies in one sum."""


class ScopeError(AgentmeterError, RuntimeError):
    """A scope entered twice, or used outside of its life."""


class ConfigurationError(AgentmeterError, ValueError):
    """A setting that cannot be used; the message names the setting and what it accepts."""


class RateCardError(ConfigurationError):
    """A rate card that cannot be read; the message names file, table and field."""


class PlanError(ConfigurationError):
    """A plan that cannot be; read from a file, the message names file, line and field."""


class SourceError(AgentmeterError, OSError):
    """A source of records of which nothing could be read."""
