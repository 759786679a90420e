"""The receiver under load for a minute, killed and begun again in the middle.

    python benchmarks/receiver.py [SECONDS] [KILLS] [SENDERS] [SPANS] [-- OPTIONS OF SERVE]

Programs send spans of a model call (SPANS in an export) as fast as they are acknowledged. Told is
how many were, how many are stored, and how many a report counts; of what is acknowledged nothing
may be missing. Senders and receiver share the machine.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.serve.load import loaded


def main() -> None:
    given = sys.argv[1:]
    own, options = (given, []) if "--" not in given else split(given)
    seconds, kills, senders, size = [*map(int, own), *(60, 5, 4, 200)[len(own) :]]
    with tempfile.TemporaryDirectory() as place:
        made = loaded(
            Path(place) / "journal",
            seconds=seconds,
            kills=kills,
            senders=senders,
            size=size,
            options=tuple(options),
        )
    missing = len(made.acknowledged - made.stored.keys())
    again = made.stored.total() - len(made.stored)
    print(f"{senders} senders, {size} spans an export, {made.seconds:.0f} s, {kills} kills")
    print(f"{len(made.acknowledged):,} spans acknowledged, {missing:,} of them missing")
    print(
        f"{len(made.stored):,} stored, {again:,} of them once more; {made.calls:,} calls reported"
    )
    print(f"{len(made.acknowledged) / made.seconds:,.0f} spans/s, {len(made.torn)} lines cut off")
    assert not missing
    assert made.calls == len(made.stored)


def split(given: list[str]) -> tuple[list[str], list[str]]:
    """What is ours and what the server's, around the dashes."""
    at = given.index("--")
    return given[:at], given[at + 1 :]


if __name__ == "__main__":
    main()
