"""The floors: imports point down only, and the core knows no clock and no OpenTelemetry."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "agentmeter"
FLOORS = {
    "exceptions": 0,
    "latch": 0,
    "model": 1,
    "attribution": 2,
    "pricing": 2,
    "semconv": 2,
    "report": 3,
    "runtime": 4,
    "store": 4,
    "render": 4,
    "integration": 5,
    "api": 6,
    "web": 7,
    "doctor": 7,
    "zero_code": 8,
    "serve": 8,
    "testing": 8,
    "cli": 9,
}
CORE = ("model", "attribution", "pricing", "report", "semconv")
FORBIDDEN = {"opentelemetry", "duckdb", "time", "os", "random", "uuid"}


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def floor_of(module: str) -> str:
    return module.split(".")[1]


FILES = [file for file in SRC.rglob("*.py") if file.parent != SRC or file.stem != "__init__"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SRC)))
def test_imports_point_down(file: Path) -> None:
    """A module imports from its own package or from a lower floor, never from beside or above."""
    own = file.relative_to(SRC).parts[0].removesuffix(".py")
    for module in imports(file):
        if module.startswith("agentmeter.") and floor_of(module) in FLOORS:
            other = floor_of(module)
            assert (
                other == own or FLOORS[other] < FLOORS[own] or (own, other) == ("cli", "testing")
            ), f"{own} imports {module}"


@pytest.mark.parametrize("package", CORE)
def test_the_core_knows_no_clock_and_no_telemetry(package: str) -> None:
    """Model, attribution, pricing, report and semconv are pure."""
    for file in (SRC / package).rglob("*.py"):
        tops = {module.split(".")[0] for module in imports(file)}
        assert not tops & FORBIDDEN, f"{file.name}: {tops & FORBIDDEN}"


def test_an_integration_uses_only_the_integration_module() -> None:
    """Integrations import agentmeter.integration and the public face only."""
    for file in (SRC.parents[1] / "integrations").rglob("*.py"):
        ours = {module for module in imports(file) if module.startswith("agentmeter.")}
        assert all(module.startswith("agentmeter.integration") for module in ours), file
