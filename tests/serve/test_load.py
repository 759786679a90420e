"""What is acknowledged is stored, whatever becomes of the receiver."""

from pathlib import Path

from tests.serve.load import loaded


def test_nothing_acknowledged_is_lost_when_the_receiver_is_killed(tmp_path: Path) -> None:
    """Three senders and two kills in the middle: all is there, and each span counts once."""
    made = loaded(tmp_path / "journal", seconds=6, kills=2, senders=3, size=20)
    assert len(made.acknowledged) > 100
    assert made.acknowledged <= made.stored.keys()
    assert made.calls == len(made.stored)
    assert all("cut off" in problem for problem in made.torn)
    assert len(made.torn) <= 2
