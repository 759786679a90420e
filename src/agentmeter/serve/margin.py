"""What plans make or lose on the requests of a report, as the page shows it."""

import random
from typing import Any

from agentmeter.pricing.plans import PlanBook
from agentmeter.report.compare import Question, compare
from agentmeter.report.compare_document import comparison_document
from agentmeter.report.report import Report
from agentmeter.report.traffic import converted, traffic_of


def margin_values(report: Report, book: PlanBook) -> dict[str, Any]:
    """The margin under each plan of a book. Raises ``PlanError`` for a currency without a rate."""
    outside = report.unattributed
    lost = converted(outside.amounts if outside else {}, book.rate)
    traffic = traffic_of(report, book.currency, book.rate)
    made = compare(traffic, book, random.Random(0), Question(unattributed=lost))
    return comparison_document(made)
