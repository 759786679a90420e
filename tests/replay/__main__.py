"""Replay recorded exchanges through the real clients, and compare what was metered.

    python -m tests.replay FOLDER --json

prints a line for every cassette (a YAML file of vcr's): file, provider, calls, usage by meter, and
whether that agrees with the usage in the recorded bodies (``null`` where there was nothing to
compare, with why). What was compared of every provider follows on the standard error.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import agentmeter as am
from tests.replay.clients import METERED
from tests.replay.run import replay

_WORDS = {True: "agreed", False: "disagreed", None: "not compared"}


def main() -> None:
    """Replay every cassette below a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    options = parser.parse_args()
    am.instrument(*METERED)
    results = []
    for file in sorted(options.folder.rglob("*.y*ml")):
        results.append(replay(file, options.folder))
        shown = results[-1].values()
        line = json.dumps(results[-1]) if options.json else "  ".join(map(str, shown))
        sys.stdout.write(f"{line}\n")
    sys.stderr.write(summary(results))


def summary(results: list[dict[str, Any]]) -> str:
    """A line for every provider: how many cassettes of it agreed."""
    counted = Counter((one["provider"] or "-", one["agreed"]) for one in results)
    lines = []
    for provider in sorted({name for name, _ in counted}):
        told = [f"{word} {counted[provider, agreed]}" for agreed, word in _WORDS.items()]
        lines.append(f"{provider}: {', '.join(told)}\n")
    return "".join(lines)


if __name__ == "__main__":
    main()
