"""How far long work is: a bar on a terminal, and nothing anywhere else."""

import contextlib
import sys
from collections.abc import Callable, Iterator

import click


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """What to tell (stage, done, total). An interruption ends the command, and harms nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    try:
        with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bars:
            tasks: dict[str, int] = {}

            def tell(stage: str, done: int, total: int) -> None:
                if stage not in tasks:
                    tasks[stage] = bars.add_task(stage, total=total)
                bars.update(tasks[stage], completed=done, total=total)  # type: ignore[arg-type]

            yield tell
    except KeyboardInterrupt:
        click.echo("interrupted; the records are as they were", err=True)
        sys.exit(130)
