"""Worked examples in the shapes of public price pages.

``page`` names the page whose shape it is, and when it looked so; figures are illustrative and need
not be those of today. ``by_hand`` is the arithmetic on paper for what is payable in all.
"""

from dataclasses import dataclass, field
from datetime import date

from tests.pricing.plans.rows import requests

from agentmeter.model import Status
from agentmeter.pricing.plans import PricedRequest

OCT, NOV, DEC = date(2026, 10, 5), date(2026, 11, 2), date(2026, 12, 7)


@dataclass(frozen=True)
class Example:
    page: str
    toml: str
    traffic: list[PricedRequest]
    by_hand: str
    total: str
    lines: dict[str, str] = field(default_factory=dict)
    refused: int = 0


def plan(body: str, head: str = "", top: str = "") -> str:
    return f'{top}\n[[plan]]\nname = "p"\n{head}\n{body}'


def fee(amount: str, more: str = "") -> str:
    return f'[[plan.fee]]\namount = "{amount}"\n{more}\n'


def charge(of: str, more: str) -> str:
    return f'[[plan.charge]]\nfor = "{of}"\n{more}\n'


MULTIPLIERS = """
[[plan.charge.weight]]
model = "*opus*"
request = 10
[[plan.charge.weight]]
model = "*mini*"
request = "0.25"
[[plan.charge.weight]]
model = "gpt-4.1"
request = 0
[[plan.charge.weight]]
request = 1
"""
COPILOT = fee("10") + charge("requests", 'allowance = 300\nprice = "0.04"')
CURSOR = plan(fee("20") + charge("cost", "markup = 0"), "included = 20")
GIGABYTES = '[[plan.charge.weight]]\n"acme.gb" = 1'
TRANSFER = plan(
    charge(
        "credits",
        'name = "Transfer"\nallowance = 100\nsteps = [{up_to = 9_900, price = "0.09"}, '
        f'{{up_to = 49_900, price = "0.085"}}, {{price = "0.07"}}]\n{GIGABYTES}',
    )
)
CALLS = '[[plan.charge.weight]]\n"acme.invocation" = 1'
VOLUME = plan(
    charge(
        "requests",
        'volume = true\nsteps = [{up_to = 1_000, price = "0.0079"}, {price = "0.0075"}]',
    )
)
TASKS = plan(
    charge(
        "requests",
        'volume = true\nsteps = [{up_to = 100, price = 0}, {up_to = 750, price = 0, fee = "19.99"}, '
        '{price = 0, fee = "39"}]',
    )
)
FIN = charge("outcomes", 'name = "Resolution"\nprice = "0.99"')
ROLLOVER = plan(
    fee("5")
    + charge(
        "credits",
        'allowance = 30_000\nrollover = 2\nprice = "0.30"\nper = 1_000\n'
        "[[plan.charge.weight]]\ncharacter = 1",
    )
)
SIZES = plan(
    charge("requests", 'name = "Small"\nup_to_tokens = 1_000\nprice = "0.005"')
    + charge("requests", 'name = "Large"\nprice = "0.02"')
)
CLASSES = plan(
    charge("requests", 'feature = "chat"\nprice = "0.01"')
    + charge("requests", 'feature = "research*"\nprice = "0.50"')
    + charge("requests", 'name = "Other"\nprice = "0.05"')
)
TEAM = 'account = "tenant"'


def team(size: int, each: int = 1, **more: str) -> list[PricedRequest]:
    return [r for n in range(size) for r in requests(each, user=f"u-{n}", tenant="acme", **more)]


EXAMPLES = (
    Example("GitHub Copilot Pro, premium requests, 2025-06: within the allowance",
            plan(COPILOT), [*requests(280)], "10", "10.00",
            {"Subscription": "10.00", "Requests, included": "0.00"}),
    Example("GitHub Copilot Pro, premium requests, 2025-06: overage",
            plan(COPILOT), [*requests(340)], "10 + (340 - 300) * 0.04", "11.60",
            {"Requests": "1.60"}),
    Example("GitHub Copilot, model multipliers, 2025-06",
            plan(COPILOT + MULTIPLIERS),
            [*requests(20, model="claude-opus-4"), *requests(80, model="claude-sonnet-4"),
             *requests(160, model="o4-mini"), *requests(500, model="gpt-4.1")],
            "10 + (20 * 10 + 80 * 1 + 160 * 0.25 + 500 * 0 - 300) * 0.04", "10.80"),
    Example("GitHub Copilot Business, 2025-06: seats pool their premium requests",
            plan(fee("19", 'per = "seat"') + charge(
                "requests", 'allowance = 300\nallowance_per = "seat"\nprice = "0.04"'), TEAM),
            team(5, 320), "5 * 19 + (5 * 320 - 5 * 300) * 0.04", "99.00", {"Seats": "95.00"}),
    Example("GitHub Copilot Free, 2025-06: fifty premium requests and no more",
            plan(charge("requests", "allowance = 50\nrefuse = true")),
            [*requests(60)], "0", "0.00", refused=10),
    Example("Cursor Pro, 2025-07: 20 of usage at API prices included, the rest at cost",
            CURSOR, [*requests(250, cost="0.11")], "20 + 250 * 0.11 - 20", "27.50",
            {"Subscription": "20.00", "Usage at cost": "27.50", "Included usage": "-20.00"}),
    Example("Cursor Pro, 2025-07: usage below what is included",
            CURSOR, [*requests(100, cost="0.12")], "20 + 100 * 0.12 - 100 * 0.12", "20.00"),
    Example("Cursor Teams, 2025-07: seats, and usage at cost plus a fifth",
            plan(fee("40", 'per = "seat"') + charge("cost", "markup = 20"), TEAM),
            team(3, 10, cost="0.25"), "3 * 40 + 30 * 0.25 * 1.2", "129.00"),
    Example("OpenAI API, GPT-5, 2025-08: input, cached input, output",
            plan(charge("tokens", 'model = "gpt-5"\ninput = "1.25"\ncached = "0.125"\noutput = 10')),
            [*requests(input=2_000_000, cache_read=1_000_000, output=400_000, reasoning=100_000)],
            "2 * 1.25 + 1 * 0.125 + 0.5 * 10", "7.62",  # 7.625, half to even
            {"gpt-5, cached": "0.12"}),
    Example("OpenAI API, two models with rates of their own, 2025-08",
            plan(charge("tokens", 'model = "gpt-5-mini*"\ninput = "0.25"\noutput = 2')
                 + charge("tokens", 'model = "gpt-5*"\ninput = "1.25"\noutput = 10')),
            [*requests(input=1_000_000, output=100_000),
             *requests(model="gpt-5-mini", input=4_000_000, output=500_000)],
            "1 * 1.25 + 0.1 * 10 + 4 * 0.25 + 0.5 * 2", "4.25"),
    Example("OpenAI Codex, 2025-10: credits in packs of 1,000 for 40",
            plan(charge("credits", "per = 1_000\nwhole = true\nprice = 40\n"
                        "[[plan.charge.weight]]\nrequest = 5")),
            [*requests(460)], "3 * 40", "120.00"),  # 2,300 credits are three packs
    Example("Anthropic API, Sonnet, 2025-05: cache writes and reads have rates of their own",
            plan(charge("tokens", 'model = "claude-sonnet*"\ninput = 3\ncached = "0.30"\n'
                        'cache_write = "3.75"\noutput = 15')),
            [*requests(model="claude-sonnet-4", input=500_000, cache_read=2_000_000,
                       cache_write_5m=400_000, output=100_000)],
            "0.5 * 3 + 2 * 0.30 + 0.4 * 3.75 + 0.1 * 15", "5.10"),
    Example("Claude Pro, 2025-07: about 45 messages in any five hours",
            plan(fee("20") + '[[plan.limit]]\nmost = 45\nwithin = "5h"\n'),
            [*requests(50, every=60)], "20", "20.00", refused=5),
    Example("Claude Pro, 2025-07: the window moves on",
            plan(fee("20") + '[[plan.limit]]\nmost = 45\nwithin = "5h"\n'),
            [*requests(100, every=600)], "20", "20.00"),  # thirty in any five hours
    Example("Claude Max, 2025-08: a limit in tokens on top of one in requests",
            plan(fee("100") + '[[plan.limit]]\nmost = 900\nwithin = "5h"\n'
                 '[[plan.limit]]\nof = "tokens"\nmost = 1_000_000\nwithin = "7d"\n'),
            [*requests(12, input=100_000)], "100", "100.00", refused=2),
    Example("Claude Team, 2025-07: five seats at the least",
            plan(fee("30", 'per = "seat"\nseats_least = 5'), TEAM),
            team(3), "5 * 30", "150.00"),
    Example("AWS data transfer out, 2024-02: graduated steps after a free tier",
            TRANSFER, [*requests(acme__gb=12_100)],
            "9900 * 0.09 + (12100 - 100 - 9900) * 0.085", "1069.50",
            {"Transfer": "178.50", "Transfer, included": "0.00"}),
    Example("AWS data transfer out, 2024-02: within the first step",
            TRANSFER, [*requests(2, acme__gb=75)], "(150 - 100) * 0.09", "4.50"),
    Example("AWS data transfer out, 2024-02: into the third step",
            TRANSFER, [*requests(acme__gb=60_100)],
            "9900 * 0.09 + 40000 * 0.085 + 10100 * 0.07", "4998.00"),
    Example("AWS Lambda requests, 2024-01: a million free, then 0.20 for each million",
            plan(charge("credits", "allowance = 1_000_000\nper = 1_000_000\n"
                        f'price = "0.20"\n{CALLS}')),
            [*requests(acme__invocation=3_500_000)], "(3.5 - 1) * 0.20", "0.50"),
    Example("Twilio messages, 2024-09: volume, below the step",
            VOLUME, [*requests(900)], "900 * 0.0079", "7.11"),
    Example("Twilio messages, 2024-09: volume, all at the price of the step",
            VOLUME, [*requests(1_200)], "1200 * 0.0075", "9.00"),
    Example("Vercel Pro, 2025-03: seats, a million invocations included",
            plan(fee("20", 'per = "seat"') + charge(
                "credits", f'allowance = 1_000_000\nper = 1_000_000\nprice = "0.60"\n{CALLS}'), TEAM),
            [*requests(user="a", tenant="t", acme__invocation=2_000_000),
             *requests(user="b", tenant="t", acme__invocation=500_000)],
            "2 * 20 + (2.5 - 1) * 0.60", "40.90"),
    Example("Cloudflare Workers Paid, 2024-03: ten million requests included",
            plan(fee("5") + charge(
                "credits", f'allowance = 10_000_000\nper = 1_000_000\nprice = "0.30"\n{CALLS}')),
            [*requests(acme__invocation=15_000_000)], "5 + (15 - 10) * 0.30", "6.50"),
    Example("Cloudflare Workers AI, 2025-01: 10,000 neurons a day are free",
            plan(charge("credits", 'allowance = 10_000\nper = 1_000\nprice = "0.011"\n'
                        "[[plan.charge.weight]]\nper = 1_000\ninput = 10\noutput = 100"),
                 'period = "day"\nplaces = 3'),
            [*requests(input=1_000_000, output=150_000),
             *requests(on=date(2026, 11, 3), input=800_000)],
            "(1000 * 10 + 150 * 100 - 10000) / 1000 * 0.011 + 0", "0.165"),
    Example("Intercom Fin, 2024-11: 0.99 for a resolution, nothing for the others",
            plan(FIN), [*requests(90), *requests(30, status=Status.ERROR)], "90 * 0.99", "89.10",
            {"Resolution": "89.10"}),
    Example("Intercom Fin, 2025-05: fifty resolutions a month at the least",
            plan(FIN, 'minimum = "49.50"'), [*requests(30)], "30 * 0.99 + (49.50 - 29.70)", "49.50",
            {"Resolution": "29.70", "Minimum": "19.80"}),
    Example("Zendesk, 2024-11: only what a tag says was resolved",
            plan(charge("outcomes", 'tag = { resolved = "auto*" }\nprice = "1.50"')),
            [*requests(40, tags={"resolved": "automatic"}), *requests(20, tags={"resolved": "no"}),
             *requests(7)],
            "40 * 1.50", "60.00"),
    Example("Zapier Professional, 2025-02: a price for each tier of tasks, the middle one",
            TASKS, [*requests(600)], "19.99", "19.99"),
    Example("Zapier Professional, 2025-02: the next tier",
            TASKS, [*requests(1_200)], "39", "39.00"),
    Example("Zapier Professional, 2025-02: pay per task beyond the tier at 1.25 times",
            plan(fee("19.99") + charge("requests", 'allowance = 750\nprice = "0.0334"')),
            [*requests(800)], "19.99 + 50 * 0.0334", "21.66"),
    Example("Salesforce Agentforce, 2024-10: two for a conversation",
            plan(charge("requests", "price = 2")), [*requests(45)], "45 * 2", "90.00"),
    Example("Salesforce Agentforce flex credits, 2025-05: twenty an action, packs of 100,000",
            plan(charge("credits", "per = 100_000\nwhole = true\nprice = 500\n"
                        '[[plan.charge.weight]]\n"acme.action" = 20')),
            [*requests(acme__action=6_000)], "2 * 500", "1000.00"),
    Example("Microsoft Copilot Studio, 2024-11: packs of 25,000 messages",
            plan(charge("credits", "per = 25_000\nwhole = true\nprice = 200\n"
                        '[[plan.charge.weight]]\n"acme.message" = 1')),
            [*requests(acme__message=26_000)], "2 * 200", "400.00"),
    Example("Microsoft Copilot Studio, 2024-12: pay as you go, a generated answer counts twice",
            plan(charge("credits", 'feature = "generated"\nprice = "0.01"\n'
                        "[[plan.charge.weight]]\nrequest = 2")
                 + charge("credits", 'price = "0.01"\n[[plan.charge.weight]]\nrequest = 1')),
            [*requests(300, feature="generated"), *requests(100, feature="classic")],
            "300 * 2 * 0.01 + 100 * 1 * 0.01", "7.00"),
    Example("ElevenLabs Starter, 2025-04: unused characters stay for two months",
            ROLLOVER, [*requests(on=OCT, character=20_000), *requests(on=NOV, character=45_000)],
            "5 + 5 + (45 - 30 - 10) * 0.30", "11.50"),
    Example("ElevenLabs Starter, 2025-04: and then no longer",
            ROLLOVER,
            [*requests(on=date(2026, 8, 3), character=10_000),
             *requests(on=NOV, character=31_000)],
            "2 * 5 + (31 - 30) * 0.30", "10.30"),
    Example("Lovable, 2025-09: credits roll over, at most so many",
            plan(fee("25") + charge("credits", 'allowance = 100\nrollover = 1\nrollover_most = 40\n'
                                    'price = "0.25"\n[[plan.charge.weight]]\nrequest = 1')),
            [*requests(20, on=OCT), *requests(150, on=NOV)],
            "25 + 25 + (150 - 100 - 40) * 0.25", "52.50"),
    Example("Replit Core, 2025-06: effort-based work against monthly money",
            plan(fee("25") + charge("cost", "markup = 40"), "included = 25"),
            [*requests(40, cost="0.5"), *requests(4, cost="2.5")],
            "25 + (40 * 0.5 + 4 * 2.5) * 1.4 - 25", "42.00"),
    Example("Perplexity API, 2025-03: a price for each class of search",
            CLASSES,
            [*requests(200, feature="chat"), *requests(6, feature="research-deep"), *requests(10)],
            "200 * 0.01 + 6 * 0.50 + 10 * 0.05", "5.50",
            {"chat": "2.00", "research*": "3.00", "Other": "0.50"}),
    Example("Perplexity API, 2025-03: a price for each size of answer",
            SIZES, [*requests(100, input=900, output=100), *requests(50, input=900, output=101)],
            "100 * 0.005 + 50 * 0.02", "1.50", {"Small": "0.50", "Large": "1.00"}),
    Example("OpenRouter, 2025-06: true cost and 5.5 percent",
            plan(charge("cost", 'markup = "5.5"')), [*requests(80, cost="0.5")],
            "80 * 0.5 * 1.055", "42.20"),
    Example("A reseller's page: a fifth on the first hundred of cost, a tenth on the rest",
            plan(charge("cost", 'steps = [{up_to = 100, price = "1.2"}, {price = "1.1"}]')),
            [*requests(5, cost="30")], "100 * 1.2 + 50 * 1.1", "175.00"),
    Example("Stripe Billing, proration, 2024-01: joined on the 21st",
            plan(fee("30"), top='[[account]]\nname = "u-1"\nfrom = 2026-11-21\n'),
            [*requests(on=date(2026, 11, 22))], "30 * 10 / 30", "10.00"),
    Example("Stripe Billing, proration, 2024-01: twelve seats that leave on the 16th",
            plan(fee("10", 'per = "seat"'), TEAM,
                 '[[account]]\nname = "acme"\nuntil = 2026-11-16\nseats = 12\n'),
            [*requests(tenant="acme")], "12 * 10 * 15 / 30", "60.00"),
    Example("A trial page: fourteen days free, then by the month",
            plan(fee("30") + charge("requests", 'price = "0.10"'), "trial_days = 14",
                 '[[account]]\nname = "u-1"\nfrom = 2026-11-01\n'),
            [*requests(40, on=NOV), *requests(20, on=date(2026, 11, 20))],
            "30 * 16 / 30 + 20 * 0.10", "18.00", {"Trial": "0.00"}),
    Example("A German price page, 2025: tax at the end",
            plan(fee("20"), "tax = 19"), [*requests()], "20 * 1.19", "23.80"),
    Example("A spending cap: usage beyond it is not billed",
            plan(fee("20") + charge("requests", 'price = "0.40"'), "cap = 50"),
            [*requests(200)], "20 + 50", "70.00", {"Cap on usage": "-30.00"}),
    Example("A spending commitment: a hundred at the least",
            plan(charge("tokens", "input = 2\noutput = 8"), "minimum = 100"),
            [*requests(input=20_000_000, output=3_000_000)], "100", "100.00",
            {"Minimum": "36.00"}),
    Example("A page in euro: true cost in dollars and a fifth",
            plan(charge("cost", "markup = 20"), 'currency = "EUR"', '[exchange]\nEUR = "1.08"\n'),
            [*requests(2, cost="27")], "54 / 1.08 * 1.2", "60.00"),
    Example("Gemini API free tier, 2025-04: a million tokens free, then one price",
            plan(charge("tokens", 'allowance = 1_000_000\nprice = "0.30"')),
            [*requests(input=1_500_000, output=500_000)], "(2 - 1) * 0.30", "0.30"),
    Example("Notion, 2025-05: a base with five seats, further ones by the seat",
            plan(fee("99") + fee("15", 'per = "seat"\nseats_included = 5'), TEAM),
            team(7), "99 + 2 * 15", "129.00"),
    Example("Devin Core, 2025-04: compute units of work",
            plan(fee("20") + charge("credits", 'name = "ACU"\nallowance = 9\nprice = "2.25"\n'
                                    "[[plan.charge.weight]]\nper = 1_000_000\ntokens = 5")),
            [*requests(4, input=800_000, output=200_000)], "20 + (4 * 5 - 9) * 2.25", "44.75"),
    Example("Replicate, 2025-03: by the second of a GPU",
            plan(charge("credits", 'price = "0.001400"\n[[plan.charge.weight]]\ngpu_second = 1')),
            [*requests(25, gpu_second=36)], "25 * 36 * 0.0014", "1.26"),
    Example("Manus, 2025-05: a week's allowance, three weeks",
            plan(charge("requests", 'allowance = 10\nprice = "0.50"'), 'period = "week"'),
            [*requests(12, on=date(2026, 11, 2)), *requests(8, on=date(2026, 11, 9)),
             *requests(15, on=date(2026, 11, 22))],
            "2 * 0.50 + 0 + 5 * 0.50", "3.50"),
    Example("A new price from the 16th on: each version for its days",
            '[[plan]]\nname = "p"\nuntil = 2026-11-16\n' + charge("requests", 'price = "0.10"')
            + '[[plan]]\nname = "p"\nfrom = 2026-11-16\n' + charge("requests", 'price = "0.20"'),
            [*requests(10, on=date(2026, 11, 15)), *requests(10, on=date(2026, 11, 16))],
            "10 * 0.10 + 10 * 0.20", "3.00"),
)  # fmt: skip
