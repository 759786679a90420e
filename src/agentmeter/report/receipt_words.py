"""Receipts in plain language, as sections that every renderer sets in its own way."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from agentmeter.model.money import CONTEXT, plain
from agentmeter.report.amounts import iso
from agentmeter.report.receipt import Action, Outcome, Receipt, Work
from agentmeter.report.receipt_charge import AllowanceUse, Charged, PlanCharge

_SECOND, _MINUTE, _HOUR = 1_000_000_000, 60, 3600
_FINEST = Decimal("0.000001")
_WHAT = "What you asked for"
_OUTCOMES = {
    Outcome.DONE: "Done",
    Outcome.RUNNING: "Not finished when this receipt was written",
    Outcome.FAILED: "It failed",
    Outcome.CANCELLED: "It was cancelled",
}


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and lines below it: each a label, which may be blank, and what it says."""

    title: str
    lines: tuple[tuple[str, str], ...]


def sections(one: Receipt) -> tuple[Section, ...]:
    """All that a receipt says, in order; sections with nothing in them are left out."""
    parts = (
        (_WHAT, _asked(one)),
        ("What was done for you", _done(one)),
        ("How much work it was", _work(one)),
        ("What it cost you", _charge(one.charge) if one.charge is not None else iter(())),
        ("Behind the scenes", _inside(one)),
    )
    made = (Section(title, tuple(lines)) for title, lines in parts)
    return tuple(section for section in made if section.lines)


def _asked(one: Receipt) -> Iterator[tuple[str, str]]:
    yield "Request", one.asked
    yield "When", f"{iso(one.started_ns)[:16].replace('T', ' ')} UTC"
    yield "Outcome", _OUTCOMES[one.outcome]
    yield "Number", one.request_id


def _done(one: Receipt) -> Iterator[tuple[str, str]]:
    for action in one.actions:
        yield "", _action(action)
    if one.work.calls:
        yield "", f"asked an AI model {_times(one.work.calls)}"
    if one.abridged:
        yield "", "and more, which is no longer listed"


def _action(one: Action) -> str:
    return f"{one.what}, {_times(one.times)}" if one.times > 1 else one.what


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _work(one: Receipt) -> Iterator[tuple[str, str]]:
    work, how = one.work, "at least" if one.at_least else "about"
    if work.input_tokens or work.output_tokens:
        yield "Read", f"{how} {_words(work.input_tokens)}"
        yield "Thought and wrote", f"{how} {_words(work.output_tokens)}"
    elif one.at_least:
        yield "Amount", "not known yet" if one.outcome is Outcome.RUNNING else "not known"
    yield "Time", ("so far " if one.outcome is Outcome.RUNNING else "") + duration(work)


def _words(tokens: int) -> str:
    """Tokens as English words, of which four tokens make about three (OpenAI's rule of thumb)."""
    words = tokens * 3 // 4
    size = 10 ** max(0, len(str(words)) - 2)
    about = (words + size // 2) // size * size
    return f"{about:,} words ({tokens:,} tokens)"


def duration(work: Work) -> str:
    """How long it took: ``3.2 seconds``, ``2 minutes 5 seconds``."""
    tenths = (work.duration_ns * 10 + _SECOND // 2) // _SECOND
    if tenths < 1:
        return "less than 0.1 seconds"
    if tenths < _MINUTE * 10:
        return f"{tenths // 10}.{tenths % 10} seconds"
    seconds = tenths // 10
    if seconds < _HOUR:
        return f"{_count(seconds // _MINUTE, 'minute')} {_count(seconds % _MINUTE, 'second')}"
    return f"{_count(seconds // _HOUR, 'hour')} {_count(seconds % _HOUR // _MINUTE, 'minute')}"


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def _charge(charge: PlanCharge) -> Iterator[tuple[str, str]]:
    yield "Your plan", charge.plan
    if not charge.covered:
        yield "Charge", "none: the request was beyond what the plan serves"
        return
    yield "Charge", _total(charge)
    for line in charge.lines:
        yield _line_label(line), _line(line, charge.currency)
    for allowance in charge.allowances:
        yield f"{allowance.what}, included", _allowance(allowance, charge.currency)
    if charge.has_fee:
        yield "", "What you pay for the period as a whole is not part of this."


def _total(charge: PlanCharge) -> str:
    least = "at least " if charge.at_least else ""
    tax = f", and {plain(charge.tax)} % tax" if charge.tax and charge.amount else ""
    trial = " (your trial is free)" if charge.trial else ""
    return f"{least}{money(charge.amount, charge.currency)}{tax}{trial}"


def _line_label(line: Charged) -> str:
    return f"{line.what}, beyond what is included" if line.beyond else line.what


def _line(line: Charged, currency: str) -> str:
    amount = money(line.amount, currency)
    if line.quantity is None or line.unit == "amount":
        return amount
    return f"{amount} for {_quantity(line.quantity, line.unit)}"


def _allowance(one: AllowanceUse, currency: str) -> str:
    if one.unit in ("amount", "cost"):
        return f"{money(one.used, currency)} used by this, {money(one.left, currency)} left"
    return f"{_quantity(one.used, one.unit)} used by this, {_figure(one.left)} left"


def _quantity(quantity: Decimal, unit: str) -> str:
    return f"{_figure(quantity)} {unit}{'' if quantity == 1 else 's'}"


def _figure(number: Decimal) -> str:
    whole, _, rest = plain(number).partition(".")
    return f"{int(whole):,}{'.' if rest else ''}{rest}"


def money(amount: Decimal, currency: str) -> str:
    """An amount to six places at most and two at least: ``$0.05``, ``0.0004 EUR``."""
    if amount and amount.copy_abs() < _FINEST:
        return f"less than {money(_FINEST, currency)}"
    rounded = plain(CONTEXT.quantize(amount.copy_abs(), _FINEST))
    whole, _, rest = rounded.partition(".")
    size = f"{int(whole):,}.{rest.ljust(2, '0')}"
    sign = "-" if amount < 0 else ""
    return f"{sign}${size}" if currency == "USD" else f"{sign}{size} {currency}"


def _inside(one: Receipt) -> Iterator[tuple[str, str]]:
    least = "at least " if one.at_least else ""
    if one.cost is not None:
        parts = [money(amount, currency) for currency, amount in sorted(one.cost.items())]
        yield "True cost", f"{least}{' and '.join(parts)}" if parts else "not known"
    if one.margin is not None and one.charge is not None:
        most = "at most " if one.charge.margin_at_most else ""
        yield "Margin", f"{most}{money(one.margin, one.charge.currency)}"
    if one.models is not None:
        yield "AI models", ", ".join(one.models) or "none"
    for line in one.prices or ():
        price = f"{line.quantity:,} at {plain(line.unit_price)} {line.currency}"
        yield f"{line.model or 'charge'}, {line.meter}", f"{price}: {plain(line.amount)}"
    yield from _owner(one)


def _owner(one: Receipt) -> Iterator[tuple[str, str]]:
    if one.owner is None:
        return
    fields = {"Tenant": one.owner.tenant, "Plan": one.owner.plan, **one.owner.tags}
    for label, value in fields.items():
        if value is not None:
            yield label, value
