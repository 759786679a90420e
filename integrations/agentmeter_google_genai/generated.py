"""The Interactions API of clients before 2.34, which send by a client that Stainless generated."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import wrapt

from agentmeter.integration import Body, Call, StainlessLibrary, StainlessPatch, guarded
from agentmeter_google_genai.interactions import (
    AWAITED,
    INTERACTIONS,
    Events,
    Place,
    interaction_facts,
)

_PACKAGE = "google.genai._interactions"
_BASE = f"{_PACKAGE}._base_client"


def _plain(of: Any) -> Any:
    return of if isinstance(of, dict) else of.model_dump(mode="json")


def _facts(answer: Any, provider: str | None) -> Call:
    return interaction_facts(_plain(answer), provider)


class _Events(Events):
    def see(self, event: Any) -> bool:
        """Take an event, which is an object here."""
        return super().see(_plain(event))


_ENDPOINT = replace(INTERACTIONS, facts=_facts, accumulator=_Events)


class Generated:
    """Meters what that client sends, where it is there."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._wanted = self._waiting = False
        self._patch = StainlessPatch(
            StainlessLibrary(
                package=_PACKAGE,
                endpoints={"/interactions": _ENDPOINT},
                served=self._served,
                passing=self._passing,
            )
        )

    def apply(self) -> None:
        """Patch now, or when that client is imported; newer libraries have another in its place."""
        self._wanted = True
        if _BASE in sys.modules:
            self._patch.apply()
        elif not self._waiting:
            self._waiting = True
            wrapt.register_post_import_hook(self._imported, _BASE)

    def undo(self) -> None:
        """Put every method back."""
        self._wanted = False
        self._patch.undo()

    def _imported(self, module: Any) -> None:
        if self._wanted:
            with guarded("google-genai interaction"):
                self._patch.apply()

    def _served(self, client: Any, body: Body) -> Mapping[str, Any]:
        model = str(body.get("model") or body.get("agent") or "").rpartition("/")[2]
        return {"model": model, **self._place(str(client.base_url), model)}

    def _passing(self, client: Any, options: Any, result: Any) -> Any:
        """An interaction that was begun before may tell its usage now."""
        if "/interactions/" in str(options.url) and hasattr(result, "model_dump"):
            answer = _plain(result)
            if answer.get("usage"):
                place = self._place(str(client.base_url), str(answer.get("model")))
                said = interaction_facts(answer, place["provider"])
                AWAITED.told(str(answer.get("id")), lambda: said, None)
        return result
