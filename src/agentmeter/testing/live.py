"""A scripted server of web sockets: OpenAI's realtime and Responses, and Gemini's Live API.

    with ModelServer(Reply(…)) as server, LiveServer(server) as live:
        client = OpenAI(websocket_base_url=f"{live.url}/v1", api_key="test")

The script and the bill are those of the model server beside it. Needs ``websockets``.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from agentmeter.testing.script import by_length, whole
from agentmeter.testing.server import ModelServer
from agentmeter.testing.wire_live import gemini_events, realtime_events, response_events

Events = Callable[[Any, Mapping[str, Any], str], Iterator[dict[str, Any]]]


class LiveServer:
    """Answers by the script of a ``ModelServer``. A context manager."""

    def __init__(self, server: ModelServer) -> None:
        self._server = server
        self._serving: Any = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """``ws://127.0.0.1:PORT``."""
        return f"ws://127.0.0.1:{self._serving.socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        from websockets.sync.server import serve

        self._serving = serve(self._converse, "127.0.0.1", 0, compression=None)
        self._thread = threading.Thread(
            target=self._serving.serve_forever, name="live-server", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._serving.shutdown()
        if self._thread is not None:
            self._thread.join(5)

    def _converse(self, socket: Any) -> None:
        path = socket.request.path
        take = self._openai if path.startswith("/v1/re") else self._gemini
        take(socket, path)

    def _openai(self, socket: Any, path: str) -> None:
        realtime = "/realtime" in path
        model = path.rpartition("model=")[2].partition("&")[0]
        if realtime:
            listening = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
            session = {"type": "realtime", "model": model, "audio": listening}
            _send(socket, {"type": "session.created", "session": session})
        for message in socket:
            event = json.loads(message)
            if event.get("type") == "response.create":
                body = event.get("response") or event
                events = realtime_events if realtime else response_events
                self._answer(socket, path, body, events)
            elif event.get("type") == "input_audio_buffer.commit":
                self._transcribe(socket, path, event)

    def _answer(self, socket: Any, path: str, body: Mapping[str, Any], events: Events) -> None:
        reply, number = self._server.take(path, body, {})
        try:
            for at, event in enumerate(events(reply, body, number)):
                if reply.cut_after is not None and at > reply.cut_after:
                    socket.close()
                    return
                _send(socket, event)
            self._server.bill(whole(reply))
        finally:
            self._server.answered()

    def _transcribe(self, socket: Any, path: str, event: Mapping[str, Any]) -> None:
        reply, number = self._server.take(path, event, {})
        usage: dict[str, Any] = {"type": "duration", "seconds": float(reply.audio_seconds or 0)}
        if reply.audio_seconds is None:
            details = {
                "audio_tokens": reply.input_audio,
                "text_tokens": reply.input - reply.input_audio,
            }
            usage = {
                "type": "tokens",
                "input_tokens": reply.input,
                "output_tokens": reply.output,
                "total_tokens": reply.input + reply.output,
                "input_token_details": details,
            }
        self._server.bill(whole(reply) if reply.audio_seconds is None else by_length(reply))
        said = {"item_id": f"item_{number}", "content_index": 0, "transcript": reply.text}
        kind = "conversation.item.input_audio_transcription.completed"
        _send(socket, {"type": kind, **said, "usage": usage})
        self._server.answered()

    def _gemini(self, socket: Any, path: str) -> None:
        for message in socket:
            event = json.loads(message)
            if "setup" in event:
                _send(socket, {"setupComplete": {"sessionId": "live-1"}})
            elif _asks(event):
                self._answer(socket, path, event, gemini_events)


def _asks(event: Mapping[str, Any]) -> bool:
    turn = event.get("clientContent") or event.get("client_content") or {}
    return bool(turn.get("turnComplete") or turn.get("turn_complete") or "toolResponse" in event)


def _send(socket: Any, event: Mapping[str, Any]) -> None:
    socket.send(json.dumps({"event_id": "event_1", **event}))
