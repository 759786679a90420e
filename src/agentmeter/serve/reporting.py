"""The process that works out the page, ``agentmeter.serve.reporting FOLDER MOST [PLANS]``.

A line of JSON is asked (``["ready"]``, ``["page"]``, ``["tree", ID]``); answered are eight bytes of
length and as many of JSON. It ends when its input does, which is when the server does, however that
ends.
"""

import signal
import sys
import time
from pathlib import Path

import orjson

from agentmeter.pricing import Cached, Catalog
from agentmeter.pricing.plans import PlanBook
from agentmeter.report.page.trees import detail
from agentmeter.report.page.value import page_value
from agentmeter.serve.following import Following


def answer(following: Following, asked: list[str], now_ns: int) -> bytes:
    """The answer to what was asked, as JSON; blank for a request that is not there."""
    if asked[0] == "ready":
        return b""
    if asked[0] == "page":
        following.look()
        made = following.report()
        margin = following.margin(made)
        return orjson.dumps(page_value(made, now_ns, margin=margin, most_scopes=0))
    one = following.request(asked[1])
    if one is None:
        following.look()
        one = following.request(asked[1])
    return orjson.dumps({"tree": detail(one)}) if one is not None else b""


def main() -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides when it is over
    folder, most, *plans = sys.argv[1:]
    book = PlanBook.from_file(Path(plans[0])) if plans else None
    following = Following(Path(folder), Cached(Catalog()), int(most), book)
    for line in sys.stdin.buffer:
        said = answer(following, orjson.loads(line), time.time_ns())
        sys.stdout.buffer.write(len(said).to_bytes(8, "big") + said)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
