"""The export held against focus-validator, in an environment of its own: ``make test-focus``.

The validator ends with 0 even where rules fail, so what it prints is read.
"""

import re
import subprocess
from pathlib import Path

import pytest
from tests.render.focus_sample import sample

from agentmeter.render.focus import csv_lines, write_parquet
from agentmeter.report.focus import focus_rows

ENVIRONMENT = Path(__file__).parents[2] / ".venvs" / "focus"
SUPPORTED = (
    "USAGE_MEASUREMENT_SUPPORTED,PUBLIC_PRICE_LIST_SUPPORTED,UNIT_PRICING_SUPPORTED,"
    "REGION_SUPPORTED,TAGGING_SUPPORTED,NEGOTIATED_PRICING_SUPPORTED,"
    "MULTIPLE_PRICING_CATEGORIES_SUPPORTED"
)
KNOWN = {
    # "MUST NOT be null when the charge is associated with an invoice": no charge of ours is, and
    # the validator does not ask whether it is.
    "InvoiceId-C-005-C",
}

pytestmark = pytest.mark.skipif(
    not (ENVIRONMENT / ".installed").exists(), reason="no environment for it: make test-focus"
)


def outcome(file: Path) -> tuple[set[str], int]:
    """The rules that fail, and how many pass."""
    (packages,) = (ENVIRONMENT / "lib").glob("python*/site-packages")
    command = [
        str(ENVIRONMENT / "bin" / "focus-validator"),
        *("--data-file", str(file), "--validate-version", "1.2.0.1", "--block-download"),
        *("--applicability-criteria", SUPPORTED),
    ]  # its list of currencies is looked up in the working directory
    done = subprocess.run(command, cwd=packages, capture_output=True, text=True, check=True)
    total = re.search(r"Total: \d+ \| Pass: (\d+) \| Fail: (\d+)", done.stdout)
    assert total is not None, done.stdout[-2000:] + done.stderr[-2000:]
    failed = set(re.findall(r"^\S* ?([\w-]+): FAIL", done.stdout, re.MULTILINE))
    assert len(failed) == int(total[2])
    return failed, int(total[1])


def test_csv_keeps_every_rule_but_one(tmp_path: Path) -> None:
    """Mandatory and conditional columns, types, formats, nullability, unit prices."""
    file = tmp_path / "made.csv"
    file.write_text("".join(csv_lines(focus_rows(sample()))))
    assert outcome(file) == (KNOWN, 247)


def test_parquet_keeps_every_rule_but_one(tmp_path: Path) -> None:
    """The same, with the types of the file."""
    file = tmp_path / "made.parquet"
    write_parquet(focus_rows(sample()), file)
    assert outcome(file) == (KNOWN, 247)


def test_the_validator_does_find_what_is_wrong(tmp_path: Path) -> None:
    """A file without its currency fails: the test above can."""
    file = tmp_path / "made.csv"
    file.write_text("".join(csv_lines(focus_rows(sample()))).replace(",USD,", ",dollars,"))
    failed, _ = outcome(file)
    assert "BillingCurrency-C-003-M" in failed
