"""``python -m agentmeter.cli``."""

from agentmeter.cli import main

main()
