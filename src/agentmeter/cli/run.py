"""``agentmeter run``: a program, metered without a change to its code."""

import os
import shutil
import sys
from pathlib import Path

import click

from agentmeter.api.project import journal_folder

_SITE = Path(__file__).parents[1] / "zero_code" / "site"
_OWNER = ("user", "tenant", "feature", "plan")
_SAID_AT_ONCE = ("-c", "-")
"""Where Python is given a program as an argument, or at its input."""
_BINARIES = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""How programs of Linux and of macOS begin."""


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-m", "as_module", is_flag=True, help="PROGRAM is a module, as with python -m.")
@click.option(
    "--per",
    type=click.Choice(["auto", "process", "http", "none"]),
    help="What a request is: the process, each HTTP request, or (auto) both.",
)
@click.option("--user", help="Whom these requests are billed to.")
@click.option("--tenant", help="The tenant of these requests.")
@click.option("--feature", help="Their feature.")
@click.option("--plan", help="The plan that they are charged under.")
@click.argument("program")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(
    program: str,
    arguments: tuple[str, ...],
    *,
    as_module: bool,
    per: str | None,
    **owner: str | None,
) -> None:
    """Run PROGRAM, a script or a command such as uvicorn, and meter it and its child processes.

    It runs as it would without: this process becomes it. What is not given as an option is taken
    from AGENTMETER_REQUEST_PER, AGENTMETER_USER and so on.
    """
    environment = {"AGENTMETER_DIR": str(journal_folder().absolute()), "PYTHONPATH": _python_path()}
    if per is not None:
        environment["AGENTMETER_REQUEST_PER"] = per
    environment.update(
        {
            f"AGENTMETER_{field.upper()}": owner[field] or ""
            for field in _OWNER
            if owner[field] is not None
        }
    )
    command = [*_command(program, as_module=as_module), *arguments]
    sys.stdout.flush()
    os.execve(command[0], command, {**os.environ, **environment})


def _python_path() -> str:
    known = os.environ.get("PYTHONPATH", "")
    others = [path for path in known.split(os.pathsep) if path and path != str(_SITE)]
    return os.pathsep.join([str(_SITE), *others])


def _command(program: str, *, as_module: bool) -> list[str]:
    if as_module:
        return [sys.executable, "-m", program]
    if program in _SAID_AT_ONCE or _is_python(Path(program)):
        return [sys.executable, program]
    found = shutil.which(program)
    if found is None:
        raise click.ClickException(f"{program}: no such file, and no such command")
    return [found]


def _is_python(program: Path) -> bool:
    """Whether it is run by Python: anything that is there and is no program by itself."""
    if program.is_dir():
        return (program / "__main__.py").exists()
    return program.exists() and not (os.access(program, os.X_OK) and _has_another_way(program))


def _has_another_way(program: Path) -> bool:
    """Whether the system knows how to run a file, and not by Python."""
    with program.open("rb") as file:
        beginning = file.readline(256)
    return beginning.startswith(_BINARIES) or (
        beginning.startswith(b"#!") and b"python" not in beginning
    )
