"""The command line. What only it needs (click) comes with the extra ``cli``."""

import sys


def main() -> None:
    """Run ``agentmeter``; says what to install where the extra is missing."""
    try:
        from agentmeter.cli.app import app
    except ModuleNotFoundError as error:
        sys.exit(
            f"agentmeter's command line needs {error.name}: pip install 'agentmeter-otel[cli]'"
        )
    app(prog_name="agentmeter")


__all__ = ["main"]
