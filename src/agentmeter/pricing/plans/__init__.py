"""Plans: the usage and requests of a period in, invoices out.

book = PlanBook.from_text(toml)
bill(book.plans[0], Traffic(requests)).invoices
"""

from agentmeter.pricing.plans.billing import Account, Bill, bill
from agentmeter.pricing.plans.book import PlanBook
from agentmeter.pricing.plans.invoice import Invoice, InvoiceLine, Left, LineKind
from agentmeter.pricing.plans.periods import Period, date_of, day_of, period_of
from agentmeter.pricing.plans.plan import (
    PER_REQUEST,
    PER_TOKEN,
    TRUE_COST,
    Allowance,
    Charge,
    Cycle,
    Fee,
    Key,
    Limit,
    Match,
    Of,
    Plan,
    Step,
    Weight,
)
from agentmeter.pricing.plans.priced_request import PricedRequest, Use
from agentmeter.pricing.plans.traffic import Traffic

__all__ = [
    "PER_REQUEST",
    "PER_TOKEN",
    "TRUE_COST",
    "Account",
    "Allowance",
    "Bill",
    "Charge",
    "Cycle",
    "Fee",
    "Invoice",
    "InvoiceLine",
    "Key",
    "Left",
    "Limit",
    "LineKind",
    "Match",
    "Of",
    "Period",
    "Plan",
    "PlanBook",
    "PricedRequest",
    "Step",
    "Traffic",
    "Use",
    "Weight",
    "bill",
    "date_of",
    "day_of",
    "period_of",
]
