"""Records on their way to a collector: all of them, once, and what is lost is counted."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from tests.store.collectors import Reply, Taken, collecting
from tests.store.test_agreement import told_of, work

import agentmeter as am
from agentmeter.exceptions import ConfigurationError
from agentmeter.model import Entry
from agentmeter.report.report import build
from agentmeter.runtime.observe import fields_of_span
from agentmeter.runtime.state import STATE
from agentmeter.semconv import names
from agentmeter.store.delivery import Collector
from agentmeter.store.reader import Contents
from agentmeter.store.rows import read_fields
from agentmeter.store.shipping import FULL, REFUSED, UNDELIVERED, Shipping, headers_of
from agentmeter.testing import Kept


def contents(taken: Taken) -> Contents:
    found = Contents()
    for fields in taken.spans:
        found.take(read_fields(fields, "collector"))
    return found


def shipped(meter: Kept, shipping: Shipping, entries: list[Entry]) -> bool:
    for entry in entries:
        tariff = getattr(getattr(entry, "call", None), "tariff", None)
        shipping.put(entry, meter.tariffs.get(tariff) if tariff else None)
    return shipping.flush(20)


def test_all_that_is_metered_arrives_and_is_the_same_report(meter: Kept) -> None:
    """Records, markers, amendments and tariffs over the wire: the report they make is equal."""
    work()
    entries = [*meter.entries, *told_of(meter.entries)]
    lost: Counter[str] = Counter()
    with collecting() as taken:
        shipping = Shipping(Collector(taken.endpoint), lambda *fault: lost.update([fault[0]]))
        assert shipped(meter, shipping, entries)
        shipping.close()
    found = contents(taken)
    assert found.problems == []
    assert not lost
    assert build(found.entries, found.tariffs).to_json() == build(entries, meter.tariffs).to_json()
    told = [one for one in taken.spans if one.attributes[names.ENTRY] == "tariff"]
    assert len(told) == len({one.trace_id for one in told}) == len(meter.tariffs)
    assert all(one.started_ns > 10**18 for one in told), "a table would drop what is of 1970"
    assert {one[names.SCHEMA] for one in taken.resources} == {names.SCHEMA_VERSION}


def test_what_the_collector_does_not_take_now_is_tried_again(meter: Kept) -> None:
    """503 with Retry-After, 429 and a dropped connection's status: nothing is lost or doubled."""
    work()
    lost: Counter[str] = Counter()
    with collecting(Reply(503, after="0"), Reply(429, after="0.1"), Reply(502)) as taken:
        shipping = Shipping(Collector(taken.endpoint), lambda *fault: lost.update([fault[0]]))
        assert shipped(meter, shipping, meter.entries)
        shipping.close()
    assert not lost
    assert len(taken.sizes) == 4
    assert len(set(taken.sizes)) == 1
    assert len(taken.spans) == len(meter.entries) + len(meter.tariffs)


def test_what_is_refused_is_counted_by_how_many_and_why(meter: Kept) -> None:
    """A partial success names how many spans were refused; a 400 refuses all that was sent."""
    work()
    lost: Counter[str] = Counter()

    def count(where: str, _: BaseException | None, entries: int) -> None:
        lost[where] += entries

    with collecting(Reply(refused=3, why="too old"), Reply(400)) as taken:
        shipping = Shipping(Collector(taken.endpoint), count)
        assert not shipped(meter, shipping, meter.entries)
        sent = taken.sizes[0]
        assert not shipped(meter, shipping, meter.entries[:5])
        assert shipped(meter, shipping, meter.entries[:1]), "later ones are taken"
        shipping.close()
    assert lost == {f"{REFUSED} (too old)": 3, f"{REFUSED} (HTTP 400)": 6}, "five and a tariff"
    assert len(taken.spans) == sent - 3 + 1


def test_what_is_too_large_is_sent_in_parts(meter: Kept) -> None:
    """413 halves a batch until it is taken; a single span that is still too large is refused."""
    work()
    lost: Counter[str] = Counter()
    with collecting(Reply(413), Reply(413)) as taken:
        shipping = Shipping(Collector(taken.endpoint), lambda *fault: lost.update([fault[0]]))
        assert shipped(meter, shipping, meter.entries)
        shipping.close()
    assert not lost
    assert len(taken.sizes) == 5
    assert taken.sizes[0] == sum(taken.sizes[2:]) == len(taken.spans)


def test_a_collector_that_is_not_there_costs_entries_and_nothing_else(meter: Kept) -> None:
    """Undelivered entries are counted once patience is at its end, and so are those without room."""
    work()
    with collecting() as taken:
        endpoint = taken.endpoint
    lost: Counter[str] = Counter()

    def count(where: str, _: BaseException | None, entries: int) -> None:
        lost[where] += entries

    shipping = Shipping(Collector(endpoint), count, most=5, patience=0.0)
    shipping._queue._thread = threading.Thread()  # nobody takes from the queue
    for entry in meter.entries[:8]:
        shipping.put(entry)
    assert lost == {FULL: 3}
    shipping._queue._thread = None
    shipping._queue.start()
    assert not shipping.flush(20)
    shipping.close()
    assert lost == {FULL: 3, UNDELIVERED: 5}


def test_what_a_silent_collector_kept_from_being_sent_is_counted_at_the_end(meter: Kept) -> None:
    """It takes the connection and never answers: the batch on its way and what waits are lost."""
    work()
    lost: Counter[str] = Counter()

    def count(where: str, _: BaseException | None, entries: int) -> None:
        lost[where] += entries

    with socket.create_server(("127.0.0.1", 0)) as silent:
        shipping = Shipping(Collector(f"http://127.0.0.1:{silent.getsockname()[1]}"), count)
        shipping.put(meter.entries[0])
        assert not shipping.flush(2)
        for entry in meter.entries[1:4]:
            shipping.put(entry)
        shipping.close(0.1)
        assert lost == {UNDELIVERED: 4}


def test_a_tariff_is_told_again_where_it_may_have_been_refused(meter: Kept) -> None:
    """It is told once a day, and what was refused was told to nobody."""
    work()
    (priced,) = [one for one in meter.entries if getattr(one, "call", None)][:1]
    tariff = meter.tariffs[priced.call.tariff]  # type: ignore[union-attr]
    with collecting(Reply(400)) as taken:
        shipping = Shipping(Collector(taken.endpoint), lambda *_: None)
        for _ in range(3):
            shipping.put(priced, tariff)
            shipping.flush(20)
        shipping.close()
    told = [one.attributes[names.ENTRY] for one in taken.spans]
    assert told == ["tariff", "record", "record"]


@pytest.mark.parametrize(
    ("endpoint", "headers", "said"),
    [
        ("http://me:sEcret@host:4318", {}, "without a password"),
        ("http://me:sEcret@host:99999", {}, "expected an address"),
        ("ftp://host/sEcret", {"A": "sEcret"}, "got 'ftp://host/sEcret'"),
        ("http://host", {"A": "sEcret\n"}, "the value of A is no text"),
        ("http://host", {"A": 5}, "the value of A is no text"),
        ("http://host", {"A b": "sEcret"}, "'A b' is no name of a header"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once_and_no_secret_repeated(
    endpoint: str, headers: dict[str, str], said: str
) -> None:
    """A header of two lines would be raised, and logged, by every attempt."""
    with pytest.raises(ConfigurationError, match=re.escape(said)) as refused:
        Collector(endpoint, headers)
    assert "sEcret" not in str(refused.value).replace("ftp://host/sEcret", "")


def test_a_configured_collector_gets_what_the_sampler_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configured by ``otlp``: every record goes there and into the journal, whatever is sampled."""
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: provider)
    provider = TracerProvider(sampler=ALWAYS_OFF)
    exported = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    with collecting() as taken:
        am.configure(directory=tmp_path, otlp=taken.endpoint, otlp_headers="x-team=blue",
                     otlp_token="s3cret")  # fmt: skip
        work()
        assert am.flush(20)
        am.configure(directory=tmp_path, otlp="")
    assert exported.get_finished_spans() == ()
    assert taken.headers[0]["Authorization"] == "Bearer s3cret"
    assert taken.headers[0]["x-team"] == "blue"
    from agentmeter.store.reader import read

    journal, sent = read(tmp_path), contents(taken)
    expected = build(journal.entries, journal.tariffs).to_json()
    assert build(sent.entries, sent.tariffs).to_json() == expected
    assert len(expected["requests"]) == 8


def test_a_record_that_comes_by_both_exporters_counts_once(meter: Kept) -> None:
    """The application's own exporter and ours send the same spans: one record each in a report."""
    exported = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("opentelemetry.trace.get_tracer_provider", lambda: provider)
        STATE.spans = True
        work()
    alone = build(meter.entries, meter.tariffs)
    theirs = [read_fields(fields_of_span(span), "app") for span in exported.get_finished_spans()]
    again = [one.entry for one in theirs if one.entry is not None]
    calls = [one for one in alone.requests if one.calls]
    assert len(again) > 50
    assert calls
    both = build([*meter.entries, *again], meter.tariffs)
    assert both.to_json() == alone.to_json()


PROGRAM = """
import sys, agentmeter as am
am.configure(directory=sys.argv[1], otlp=sys.argv[2])
with am.request(user="u"), am.call(provider="openai", model="gpt-5") as one:
    one.record(am.Usage(input=10, output=2))
"""


def test_a_process_that_ends_has_sent_everything(tmp_path: Path) -> None:
    """No flush and no close: what is queued is sent at exit."""
    with collecting() as taken:
        subprocess.run([sys.executable, "-c", PROGRAM, tmp_path, taken.endpoint], check=True)
    kinds = Counter(one.attributes[names.ENTRY] for one in taken.spans)
    assert kinds == {"opened": 1, "record": 2, "tariff": 1}


def test_a_dead_collector_is_told_of_by_the_doctor(tmp_path: Path) -> None:
    """What could not be delivered stands in the journal of the process, for ``agentmeter doctor``."""
    with collecting() as taken:
        endpoint = taken.endpoint
    subprocess.run([sys.executable, "-c", PROGRAM, tmp_path, endpoint], check=True,
                   stderr=subprocess.DEVNULL)  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "agentmeter.cli", "doctor", tmp_path],
                          capture_output=True, text=True, check=True, env=dict(os.environ))  # fmt: skip
    assert f"4 x {UNDELIVERED}: ConnectionRefusedError" in done.stdout


@pytest.mark.parametrize("address", ["collector:4318", "ftp://host", "http://", "http://h:x"])
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    """A setting that cannot be used is said when it is made."""
    with pytest.raises(ConfigurationError, match=r"^otlp: "):
        am.configure(otlp=address)


def test_headers_are_pairs() -> None:
    """Headers of the environment are pairs with commas between; anything else is refused."""
    assert headers_of("a=1, b = x=y", None) == {"a": "1", "b": "x=y"}
    assert headers_of({"a": "1"}, "t") == {"a": "1", "Authorization": "Bearer t"}
    with pytest.raises(ValueError, match="name=value"):
        headers_of("nothing", None)


def test_an_import_loads_no_protobuf() -> None:
    """What ships records is loaded once a collector is configured."""
    code = "import agentmeter, sys; assert 'google.protobuf' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
