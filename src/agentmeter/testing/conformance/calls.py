"""Cases of plain calls: whole, refused, repeated, at once, and with the integration off."""

import asyncio
import threading

from agentmeter.exceptions import BudgetExceeded
from agentmeter.runtime.budget.value import Budget
from agentmeter.runtime.faults import FAULTS, logger
from agentmeter.runtime.public import request
from agentmeter.runtime.state import STATE
from agentmeter.testing.conformance.subject import (
    Subject,
    amounts_to_the_bill,
    calls_of,
    expect,
    running,
    shown,
)
from agentmeter.testing.script import Reply
from agentmeter.testing.server import ModelServer


def plain(subject: Subject) -> None:
    """A plain call inside a request is metered as it is billed, on that request."""
    with running(subject) as (server, meter):
        with request(user="conformance"):
            subject.ask(server)
        amounts_to_the_bill(server, meter)
        expect("requests", len(meter.report().requests), 1)


def unattributed(subject: Subject) -> None:
    """Outside of any request it is metered all the same."""
    with running(subject) as (server, meter):
        subject.ask(server)
        amounts_to_the_bill(server, meter)
        expect("requests", len(meter.report().requests), 0)


def answer_unchanged(subject: Subject) -> None:
    """The application gets the answer that it gets unmetered."""
    with running(subject) as (server, _):
        seen = shown(subject.ask(server))
    with running(subject, on=False) as (server, _):
        expect("answer", seen, shown(subject.ask(server)))


def retry(subject: Subject) -> None:
    """A refused try and the one that follows are attempts of one call."""
    with running(subject, Reply(status=500)) as (server, meter):
        with request():
            subject.ask(server)
        amounts_to_the_bill(server, meter)
        (record,) = calls_of(meter)
        assert record.call is not None
        expect("attempts", [one.http_status for one in record.call.attempts], [500, 200])


def error(subject: Subject) -> None:
    """The application's error is the client's own, and a refused call used nothing."""
    with running(subject, Reply(status=400), on=False) as (server, _):
        bare = _raised(subject, server)
    with running(subject, Reply(status=400)) as (server, meter):
        with request():
            expect("the error", _raised(subject, server), bare)
        (record,) = calls_of(meter)
        assert record.call is not None
        expect("status", (record.status.value, record.error_type), ("error", bare))
        expect("usage", dict(record.call.usage), {})


def _raised(subject: Subject, server: ModelServer) -> str | None:
    try:
        subject.ask(server)
    except Exception as error:
        return type(error).__qualname__
    return None


def asynchronous(subject: Subject) -> None:
    """Three calls at once are three calls of the request that they run for."""
    assert subject.ask_async is not None
    ask = subject.ask_async

    async def run(server: ModelServer) -> None:
        async with request():
            await asyncio.gather(*(ask(server) for _ in range(3)))

    with running(subject) as (server, meter):
        asyncio.run(run(server))
        amounts_to_the_bill(server, meter, calls=3)
        expect("requests", len(meter.report().requests), 1)


def threads(subject: Subject) -> None:
    """Requests in threads of their own keep their calls apart."""

    def work(server: ModelServer) -> None:
        with request():
            subject.ask(server)
            subject.ask(server)

    with running(subject) as (server, meter):
        threads = [threading.Thread(target=work, args=(server,)) for _ in range(6)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        amounts_to_the_bill(server, meter, calls=12)
        expect("calls of each request", [r.calls for r in meter.report().requests], [2] * 6)


def puts_back(subject: Subject) -> None:
    """Switching off leaves the very objects that were there, and nothing is metered."""
    before = [dict(vars(owner)) for owner in subject.patched]
    subject.integration.instrument()
    changed = [dict(vars(owner)) for owner in subject.patched]
    subject.integration.instrument()
    subject.integration.uninstrument()
    after = [dict(vars(owner)) for owner in subject.patched]
    expect("something is replaced", before != changed or not before, True)
    same = all(
        set(one) == set(other) and all(one[name] is other[name] for name in one)
        for one, other in zip(before, after, strict=True)
    )
    expect("uninstrument puts the very same objects back", same, True)
    with running(subject, on=False) as (server, meter):
        subject.ask(server)
        expect("calls while it is off", len(meter.records), 0)


def twice(subject: Subject) -> None:
    """Switched on twice, a call counts once."""
    with running(subject) as (server, meter):
        subject.integration.instrument()
        subject.ask(server)
        amounts_to_the_bill(server, meter)


def budget_refuses(subject: Subject) -> None:
    """A budget without room refuses a call before anything is sent, and what it lets in goes on."""
    with running(subject) as (server, meter):
        with request(budget=Budget(calls=1)):
            subject.ask(server)
            expect("the error", _raised(subject, server), BudgetExceeded.__qualname__)
        expect("requests that were sent", len(server.requests), 1)
        report, bill = meter.report(), server.billed()
        used = (report.usage.total_input, report.usage.total_output)
        expect("input and output", used, (bill.input, bill.output))
        expect("calls of the request", [one.calls for one in report.requests], [1])


def host_goes_on(subject: Subject) -> None:
    """Where metering fails the application gets its answer, and the fault is counted."""

    def broken(size: int) -> str:
        raise OSError("no ids today")

    with running(subject) as (server, _):
        STATE.new_id = broken
        logger.disabled = True  # the fault is wanted here, and nobody needs to read of it
        try:
            if subject.ask(server) is None:
                raise AssertionError("a fault in metering took the answer away")
        finally:
            logger.disabled = False
        expect("a fault is counted", bool(FAULTS.counts()), True)
        FAULTS.clear()
