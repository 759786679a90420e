"""What metering adds to an openai call, beside peers in environments of their own, in one run.

The same calls, plain and streamed, against one scripted server on the loopback address; spans go to
the SDK's batch processor and an exporter that drops them, every peer as it does by default, ours
with everything on: spans, journal, live price, provenance. For every contender the bare client runs
in the same environment. Two measures:

* CPU time of the whole process, in blocks that take turns, the median of the paired differences;
* instructions of the whole process, by valgrind where it is installed: the machine's other work
  does not show in them.

    python benchmarks/overhead.py [ROUNDS] [NAME …]      seven minutes; NAME: only those
"""

import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from agentmeter.testing import ModelServer, Reply

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.environments import environment  # noqa: E402  # one maker of environments is enough

OWN = ("one span of 15", "agentmeter", "agentmeter, provenance off")
PEERS = {
    "openinference": "openinference-instrumentation-openai",
    "langfuse": "langfuse",
    "traceloop": "opentelemetry-instrumentation-openai",
    "logfire": "logfire",
    "openlit": "openlit",
    "litellm": "litellm",
}
"""Environment → the distribution that is measured."""
WAYS = ("plain", "stream")
BLOCK, WARM, COUNTED = 20, 30, 20
REPLY = Reply(input=1200, cached=1000, output=60, reasoning=16)


class Contender:
    """A process of ``overhead_peers.py``; a context manager."""

    def __init__(self, python: str, name: str, mode: str, url: str, under: Sequence[str] = ()):
        self.mode = mode
        script = Path(__file__).with_name("overhead_peers.py")
        self.process = subprocess.Popen(
            [*under, python, script, name, mode, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Self:
        self._line()
        spans = [self.block(way, WARM)["spans"] for way in WAYS]
        if self.mode == "metered" and min(spans) == 0:
            raise SystemExit(f"{self.process.args}: has made no spans")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def block(self, way: str, calls: int) -> dict[str, int]:
        """CPU nanoseconds a call of a block: of the caller's thread, of the whole process."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{way} {calls}\n")
        self.process.stdin.flush()
        return json.loads(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args}: ended with {self.process.wait()}")
        return line


def interpreters() -> dict[str, str]:
    """The interpreter of every contender, its environment made where there is none."""
    made: dict[str, str] = {}
    for folder in ("integrations", "dialects"):
        known = tomllib.loads((ROOT / "tests" / folder / "environments.toml").read_text())
        for name in known.keys() & PEERS:
            made[name] = str(environment(f"{folder}/{name}", known[name]))
    return dict.fromkeys(OWN, sys.executable) | {name: made[name] for name in PEERS}


def timed(python: str, name: str, url: str, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Microseconds of CPU a call, by way: the bare client's, and what is added to them."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with (
        Contender(python, name, "bare", url) as bare,
        Contender(python, name, "metered", url) as metered,
    ):
        for _ in range(rounds):
            for way in WAYS:
                pair = [(one, one.block) for one in (bare, metered)]
                random.shuffle(pair)
                took = {one: ask(way, BLOCK) for one, ask in pair}
                base, own = took[bare], took[metered]
                found[way].append(
                    {
                        "bare": base["process"] / 1e3,
                        "added": (own["process"] - base["process"]) / 1e3,
                        "caller": (own["caller"] - base["caller"]) / 1e3,
                    }
                )
    return found


def counted(python: str, name: str, mode: str, url: str) -> dict[str, int]:
    """Instructions a call, by way."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "counts"
        under = ["valgrind", "--tool=callgrind", "--instr-atstart=no"]
        with Contender(python, name, mode, url, [*under, f"--callgrind-out-file={file}"]) as one:
            found = {}
            for number, way in enumerate(WAYS, start=1):
                _control(one, "--instr=on", "--zero")
                one.block(way, COUNTED)
                _control(one, f"--dump={way}")
                _control(one, "--instr=off")
                found[way] = _total(Path(f"{file}.{number}")) // COUNTED
            return found


def _control(one: Contender, *commands: str) -> None:
    for command in commands:
        subprocess.run(
            ["callgrind_control", command, str(one.process.pid)], check=True, capture_output=True
        )


def _total(dump: Path) -> int:
    lines = dump.read_text().splitlines()
    return int(next(line for line in lines if line.startswith("totals:")).split()[1])


def version_of(python: str, name: str) -> str:
    if name in OWN:
        return version("opentelemetry-sdk" if name == OWN[0] else "agentmeter-otel")
    asked = f"from importlib.metadata import version; print(version({PEERS[name]!r}))"
    return subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True).stdout


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    only = sys.argv[2:]
    pythons = {name: at for name, at in interpreters().items() if not only or name in only}
    cpu: dict[str, Any] = {}
    instructions: dict[str, dict[str, int]] = {}
    with ModelServer(default=REPLY) as server:
        for name, python in pythons.items():
            cpu[name] = timed(python, name, server.base_url, rounds)
            if shutil.which("valgrind"):
                bare = counted(python, name, "bare", server.base_url)
                own = counted(python, name, "metered", server.base_url)
                instructions[name] = {way: own[way] - bare[way] for way in WAYS}
                instructions[name] |= {f"bare {way}": bare[way] for way in WAYS}
            print(f"{name} is measured", file=sys.stderr)
    for way in WAYS:
        show(way, pythons, cpu, instructions)


def show(
    way: str, pythons: dict[str, str], cpu: dict[str, Any], instructions: dict[str, dict[str, int]]
) -> None:
    """The table of one way, and what ours is of the best peer's."""
    print(f"\n{way}\n\n| | version | bare, us | added, us | quartiles |", end="")
    print(" on the caller's thread | x bare | added, k instructions | x bare |")
    print("|---|---|" + "---:|" * 7)
    added = {}
    for name, python in pythons.items():
        rows = cpu[name][way]
        bare, caller = (statistics.median(row[key] for row in rows) for key in ("bare", "caller"))
        low, middle, high = statistics.quantiles((row["added"] for row in rows), n=4)
        cells = [f"{bare:.0f}", f"{middle:+.0f}", f"{low:+.0f} to {high:+.0f}", f"{caller:+.0f}"]
        cells.append(f"{1 + middle / bare:.2f}")
        added[name] = middle
        if name in instructions:
            own, base = instructions[name][way], instructions[name][f"bare {way}"]
            cells += [f"{own / 1e3:+,.0f}", f"{1 + own / base:.2f}"]
            added[name] = own
        print(f"| {name} | {version_of(python, name).strip()} |", " | ".join(cells), "|")
    peers = [name for name in added if name in PEERS]
    if peers:
        best = min(peers, key=lambda name: added[name])
        print(f"\nThe best peer is {best}. Of what it adds:\n")
        for name in (name for name in added if name in OWN):
            print(f"* {name}: {added[name] / added[best]:.2f}")


if __name__ == "__main__":
    main()
