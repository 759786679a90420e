"""``agentmeter price`` and ``agentmeter prices``, as a person runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CHAT = {"prompt_tokens": 1200, "completion_tokens": 300}
AT = "2026-11-20T12:00:00Z"
GPT5 = {"provider": "openai", "model": "gpt-5", "usage": CHAT, "at": AT}


def agentmeter(*args: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("AGENTMETER")}
    command = [sys.executable, "-m", "agentmeter.cli", *args]
    return subprocess.run(command, input=given, capture_output=True, env=env, timeout=120)


def answers(*lines: bytes, args: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """What comes out, line by line, of lines on standard input."""
    done = agentmeter("price", "--jsonl", "-", *args, given=b"\n".join(lines))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def line(**fields: Any) -> bytes:
    return json.dumps({**GPT5, **fields}).encode()


def test_a_line_gives_a_line_with_its_id_amount_and_the_source_of_every_rate() -> None:
    """The whole object, field by field; the id is whatever it was."""
    (answer,) = answers(line(id=["a", 1], tools={"web_search": 3}))
    assert answer == {
        "id": ["a", 1],
        "status": "priced",
        "amount": "0.0345",
        "currency": "USD",
        "lines": [
            {
                "meter": "input",
                "quantity": 1200,
                "unit_price": "0.00000125",
                "amount": "0.0015",
                "source": "genai-prices 0.2.3",
            },
            {
                "meter": "output",
                "quantity": 300,
                "unit_price": "0.00001",
                "amount": "0.003",
                "source": "genai-prices 0.2.3",
            },
            {
                "meter": "web_search",
                "quantity": 3,
                "unit_price": "0.01",
                "amount": "0.03",
                "source": "genai-prices 0.2.3",
            },
        ],
        "reasons": [],
    }


def test_options_hold_for_lines_that_do_not_say_otherwise() -> None:
    """So that a file of bare usage objects is priced as they came from the provider."""
    bare = b'{"prompt_tokens": 1200, "completion_tokens": 300}'
    named = json.dumps({"usage": {"prompt_tokens": 1200}, "model": "gpt-5-mini", "id": 1}).encode()
    first, second = answers(bare, named, args=("--provider", "openai", "--model", "gpt-5"))
    assert (first["id"], first["amount"]) == (None, "0.0045")
    assert (second["id"], second["amount"]) == (1, "0.0003")
    refused = agentmeter("price", "--jsonl", "-", "--usage", "{}")
    assert (refused.returncode, b"--usage and --tool" in refused.stderr) == (2, True)


def test_a_bad_line_names_line_and_field_and_the_rest_goes_on() -> None:
    """Nothing stops the others, whatever a line holds."""
    bad = {
        b"{": "line 2: not JSON: ",
        b"\xff": "line 3: not JSON: 'utf-8' codec",
        b"[1]": "line 4: expected an object, got list",
        line(usage=[1]): "line 5: usage: expected an object, got [1]",
        line(at="yesterday"): "line 6: at: expected an instant such as ",
        line(tools={"web_search": 1.5}): "line 7: tools.web_search: a quantity is an int, got ",
        line(batch="yes"): "line 8: batch: expected true or false, got 'yes'",
        line(model=None): "line 9: model: a text is needed",
        line(region=7): "line 10: region: expected text, got 7",
        line(usage={"prompt_tokens": -1}): "line 11: prompt_tokens: a quantity cannot be negative",
        b'{"usage": NaN}': "line 12: not JSON: NaN is not a number",
        b"[" * 100_000: "line 13: not JSON: ",
        line(
            usage={"prompt_tokens": 1e30}
        ): "line 14: prompt_tokens: a quantity is below 2^63, got ",
        line(usage={"prompt_tokens": 10**1000}): "line 15: prompt_tokens: a quantity is below 2^63",
        line(at=0).replace(b": 0", b": 1e999999"): "line 16: at: expected seconds since the epoch ",
        line(
            at=1_764_000_000_000
        ): "line 17: at: expected seconds since the epoch within the years",
    }
    first, *others, last = answers(line(id=1), *bad, line(id=2))
    assert (first["id"], first["status"], last["id"], last["status"]) == (1, "priced", 2, "priced")
    assert len(others) == len(bad)
    for answer, begins in zip(others, bad.values(), strict=True):
        assert (answer["status"], answer["amount"], answer["lines"]) == ("unpriced", None, [])
        assert [reason[: len(begins)] for reason in answer["reasons"]] == [begins]


def test_the_exit_code_says_whether_anything_could_be_read(tmp_path: Path) -> None:
    """One readable line is enough, priced or not."""
    assert agentmeter("price", "--jsonl", "-", given=b"{").returncode == 1
    assert agentmeter("price", "--jsonl", "-", given=b"{\n" + line(model="zzz")).returncode == 0
    garbage = b"{\n\x00\n[1]\n" + line(usage=[1]) + b"\n{"
    done = agentmeter("price", "--jsonl", "-", given=garbage)
    counted = b"5 of 5 lines could not be read: 3 x not JSON; 1 x expected an object; 1 x usage"
    assert (done.returncode, done.stderr) == (1, b"Error: -: " + counted + b"\n")
    assert len(done.stdout.splitlines()) == 5
    partly = agentmeter("price", "--jsonl", "-", given=garbage + b"\n" + line())
    assert (partly.returncode, partly.stderr[:33]) == (0, b"-: 5 of 6 lines could not be read")
    absent = agentmeter("price", "--jsonl", str(tmp_path / "absent"))
    assert absent.returncode == 1
    assert b"absent: No such file or directory" in absent.stderr


def test_a_byte_order_mark_carriage_returns_and_blank_lines_lose_no_line() -> None:
    """As a spreadsheet on Windows writes them."""
    given = b"\xef\xbb\xbf" + line(id=1) + b"\r\n\r\n" + line(id=2) + b"\r\n"
    done = agentmeter("price", "--jsonl", "-", given=given)
    read = [json.loads(text) for text in done.stdout.splitlines()]
    assert [(one["id"], one["status"]) for one in read] == [(1, "priced"), (2, "priced")]


def test_counts_of_tools_are_as_forgiving_as_those_of_usage() -> None:
    """A count may be written 3.0; null is none of it."""
    (answer,) = answers(line(usage=CHAT, tools={"web_search": 3.0, "file_search": None}))
    assert (answer["status"], answer["amount"]) == ("priced", "0.0345")


def test_a_fraction_is_the_decimal_that_was_written() -> None:
    """A provider's own cost is not rounded on its way in."""
    raw = b'{"provider": "openrouter", "model": "m", "usage": {"prompt_tokens": 1, "cost": '
    (answer,) = answers(raw + b"0.12345678901234567890123}}")
    assert answer["amount"] == "0.12345678901234567890123"


def test_a_rate_card_lies_over_the_catalog(tmp_path: Path) -> None:
    """Its price and its source; a card that cannot be read stops before anything is priced."""
    card = tmp_path / "card.toml"
    card.write_text('[[rate]]\nmodel = "gpt-5"\ninput = "2"\nsource = "contract"\n')
    (answer,) = answers(line(), args=("--rate-card", str(card)))
    assert answer["lines"][0]["source"] == "contract"
    assert answer["amount"] == "0.0054"
    card.write_text('[[rate]]\nmodel = "gpt-5"\ninput = "-2"\n')
    done = agentmeter("price", "--jsonl", "-", "--rate-card", str(card), given=line())
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"card.toml, line 3: input: a price cannot be negative, got '-2'" in done.stderr


def test_one_object_by_options_or_on_standard_input() -> None:
    """Both say the same; the options go over the object."""
    options = ("--provider", "openai", "--model", "gpt-5", "--at", AT, "--tool", "web_search=3")
    usage = ("--usage", json.dumps(CHAT))
    by_options = agentmeter("price", *options, *usage, "--service-tier", "flex", "--json")
    given = line(tools={"web_search": 3})
    by_input = agentmeter("price", "--service-tier", "flex", "--json", given=given)
    assert json.loads(by_options.stdout) == json.loads(by_input.stdout)
    assert json.loads(by_input.stdout)["amount"] == "0.03225"
    shown = agentmeter("price", *options, *usage).stdout.decode()
    assert shown.splitlines()[-1] == "0.0345 USD (priced)"
    wrong = agentmeter("price", *options, "--usage", "{}")
    assert wrong.returncode == 1
    assert b"Error: usage with the fields [] is of no known shape" in wrong.stderr
    count = agentmeter("price", *usage, "--tool", "web_search=many")
    assert b"--tool: expected NAME=COUNT, got 'web_search=many'" in count.stderr


def test_prices_shows_rates_conditions_and_history_with_their_sources() -> None:
    """As a table for a person, and as JSON with a price of one."""
    shown = agentmeter("prices", "o3").stdout.decode()
    cut = next(row for row in shown.splitlines() if "until 2025-06-10" in row)
    assert cut.split()[:6] == ["standard", "cache_read", "2.5", "USD", "/", "1M"]
    assert "tier flex" in shown
    document = json.loads(agentmeter("prices", "deepseek-flash", "--json").stdout)
    peak = [row for row in document["rates"] if row["days"] and row["meter"] == "input"]
    assert [(row["price"], row["window"], row["from"]) for row in peak] == [
        ("0.0000003", "01:00-04:00", "2026-09-10T04:00:00Z"),
        ("0.0000003", "06:00-10:00", "2026-09-10T04:00:00Z"),
    ]
    assert document["rates"][0]["version"].startswith("genai-prices 0.2.3 + agentmeter supplement")
    unknown = agentmeter("prices", "gtp-5", "--provider", "openai")
    assert unknown.returncode == 1
    assert b"unknown model 'gtp-5' of provider 'openai'; the nearest known is" in unknown.stderr
