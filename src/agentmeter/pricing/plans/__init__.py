"""Plans: the usage and requests of a period in, invoices out.

    plans = Plans.from_text(toml)
    bill = plans["pro"].bill(traffic)
"""

from agentmeter.pricing.plans.billing import Account, Bill, bill
from agentmeter.pricing.plans.invoice import Invoice, InvoiceLine, LineKind
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
from agentmeter.pricing.plans.traffic import PricedRequest, Traffic, Use
