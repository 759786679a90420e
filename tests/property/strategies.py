"""Random entries: trees of scopes with calls, charges, attempts and amendments."""

from decimal import Decimal

from hypothesis import strategies as st

from agentmeter.model import (
    Amendment,
    Attempt,
    Call,
    Entry,
    Evidence,
    Extent,
    Kind,
    Money,
    Opened,
    Origin,
    Owner,
    Record,
    Segment,
    Source,
    Status,
    Usage,
)
from agentmeter.model.meters import METERS

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
MAYBE = st.none() | TEXT
INSTANT = st.integers(0, 2**62)
USAGE = st.dictionaries(
    st.sampled_from(sorted(METERS)) | st.just("acme.page"), st.integers(0, 2**40), max_size=5
).map(Usage)
EVIDENCE = st.dictionaries(
    st.sampled_from(sorted(METERS)),
    st.builds(Evidence, st.sampled_from(Source), st.sampled_from(Extent)),
    max_size=4,
)
OWNERS = st.builds(Owner, MAYBE, MAYBE, MAYBE, MAYBE, st.dictionaries(TEXT, TEXT, max_size=3))
AMOUNTS = st.decimals("0", "1000000", places=9).map(lambda amount: Money(amount.normalize()))
ATTEMPTS = st.builds(
    Attempt, INSTANT, INSTANT, st.none() | st.integers(100, 599), MAYBE, st.none() | st.booleans()
)
SEGMENTS = st.builds(
    Segment,
    st.sampled_from(Origin),
    st.text("0123456789abcdef", min_size=16, max_size=16),
    st.integers(0, 2**40),
    MAYBE,
)
CALLS = st.builds(
    Call,
    provider=MAYBE,
    model=MAYBE,
    operation=MAYBE,
    response_model=MAYBE,
    response_id=MAYBE,
    service_tier=MAYBE,
    batch=st.booleans(),
    speed=MAYBE,
    region=MAYBE,
    deployment=MAYBE,
    search_context=MAYBE,
    stream=st.booleans(),
    finish_reasons=st.lists(TEXT, max_size=2).map(tuple),
    attempts=st.lists(ATTEMPTS, max_size=3).map(tuple),
    usage=USAGE,
    evidence=EVIDENCE,
    charge=st.none() | AMOUNTS,
    tariff=MAYBE,
    unpriced=MAYBE,
    calls=st.integers(0, 5),
    segments=st.lists(SEGMENTS, max_size=3).map(tuple),
    input_digest=MAYBE,
)
HEX16 = st.integers(1, 2**64 - 1).map(lambda number: f"{number:016x}")
HEX32 = st.integers(1, 2**128 - 1).map(lambda number: f"{number:032x}")
RECORDS = st.builds(
    Record,
    request_id=HEX32,
    scope_id=HEX16,
    parent_id=st.none() | HEX16,
    kind=st.sampled_from(Kind),
    name=TEXT,
    owner=OWNERS,
    started_ns=INSTANT,
    ended_ns=INSTANT,
    status=st.sampled_from(Status),
    error_type=MAYBE,
    call=st.none() | CALLS,
    trace_id=HEX32,
    span_id=HEX16,
    parent_span_id=st.none() | HEX16,
    parent_request_id=st.none() | HEX32,
    late=st.booleans(),
    attributes=st.dictionaries(TEXT, TEXT, max_size=3),
    observer=TEXT,
    shares=st.dictionaries(TEXT, st.integers(1, 99), max_size=3),
    position=st.integers(0, 99),
    children=st.integers(0, 99),
)
OPENED = st.builds(
    Opened,
    HEX32,
    HEX16,
    TEXT,
    OWNERS,
    INSTANT,
    HEX32,
    HEX16,
    st.none() | HEX32,
    st.sampled_from(Kind),
    st.none() | HEX16,
    MAYBE,
    MAYBE,
)
AMENDMENTS = st.builds(
    Amendment,
    HEX16,
    HEX32,
    HEX16,
    INSTANT,
    USAGE,
    EVIDENCE,
    MAYBE,
    st.none() | st.booleans(),
    MAYBE,
    st.lists(SEGMENTS, max_size=3).map(tuple),
    MAYBE,
)
ENTRIES = RECORDS | OPENED | AMENDMENTS


@st.composite
def traffic(draw: st.DrawFn) -> tuple[list[Entry], dict[str, int], Decimal]:
    """Entries of a few requests, with the truth: tokens by request, and all charges."""
    entries: list[Entry] = []
    truth: dict[str, int] = {}
    charged = Decimal(0)
    ids = iter(range(1, 10_000))
    for number in range(draw(st.integers(1, 3))):
        request_id = f"{number:032x}"
        truth[request_id] = 0
        root = f"{next(ids):016x}"
        entries.append(Record(request_id, root, None, Kind.REQUEST, "r", Owner(), 0, 9))
        parents = [root]
        for _ in range(draw(st.integers(0, 12))):
            scope, parent = f"{next(ids):016x}", draw(st.sampled_from(parents))
            kind = draw(st.sampled_from([Kind.STEP, Kind.CALL, Kind.TOOL]))
            call = None
            if kind is Kind.CALL:
                tokens = draw(st.integers(0, 1000))
                amount = draw(st.none() | AMOUNTS)
                usage = Usage() if amount else Usage(input=tokens)
                call = Call(usage=usage, evidence={"input": Evidence()}, charge=amount)
                truth[request_id] += usage.total_tokens
                charged += amount.amount if amount else 0
            else:
                parents.append(scope)
            entries.append(Record(request_id, scope, parent, kind, "s", Owner(), 1, 2, call=call))
    return entries, truth, charged
