"""One session of Claude Code: its frames, as they arrive, become agents, messages and tools."""

from collections.abc import Callable, Mapping
from typing import Any

from agentmeter.integration import (
    REPORTED,
    CallScope,
    Scope,
    Status,
    ToolScope,
    Usage,
    guarded,
    now_ns,
    until_exit,
)
from agentmeter_claude_agent_sdk.threads import OBSERVER, PROVIDER, Message, Thread
from agentmeter_claude_agent_sdk.usage import capped, only_output, same_model, so_far, summed

_NAME = "claude"
_SYNTHETIC = "<synthetic>"
"""The model of messages that no model has written."""


class Session:
    """What is open of one session, below the scope that asked it last."""

    def __init__(self, parent: Scope | None) -> None:
        self._parent = parent
        self._turn: Thread | None = None
        self._below: dict[str, Thread] = {}
        self._tools: dict[str, ToolScope] = {}
        self._kinds: dict[str, str] = {}
        self._in_background: set[str] = set()
        self._messages: dict[str, Message] = {}
        self._settled: set[str] = set()
        self._accounted: dict[str, list[Usage]] = {}
        self._model = "claude"
        self._frames: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "assistant": self._assistant,
            "result": self._result,
            "stream_event": self._event,
            "system": self._system,
            "user": self._user,
        }
        until_exit(self)

    def asked(self, parent: Scope | None) -> None:
        """The application asks: what comes now belongs below ``parent``."""
        self._parent = parent
        if self._turn is None:
            self._thread()

    def see(self, frame: Mapping[str, Any]) -> None:
        """Take a frame that has arrived."""
        with guarded("claude-agent-sdk frame"):
            take = self._frames.get(str(frame.get("type")))
            if take is not None:
                take(frame)

    def scope_of(self, request: Mapping[str, Any]) -> Scope | None:
        """What a callback or a tool in this process is at work for."""
        message = request.get("message") or {}
        meta = (message.get("params") or {}).get("_meta") or {}
        used = str(meta.get("claudecode/toolUseId") or request.get("tool_use_id"))
        named = (message.get("params") or {}).get("name")
        return self._tools.get(used) or self._named(named) or self._scope()

    def _named(self, name: str | None) -> Scope | None:
        """A tool's scope by the tool's own name, where no id is told."""
        if name is None:
            return None
        return next((one for one in self._tools.values() if one.name.endswith(f"__{name}")), None)

    def _scope(self) -> Scope | None:
        return self._turn.scope if self._turn is not None else self._parent

    def give_up(self, error: BaseException | None = None) -> None:
        """Close what is open: nothing more will come."""
        status = Status.CLOSED if error is None else None
        for tool in self._tools.values():
            tool.close(error, status)
        self._tools.clear()
        for thread in (*self._below.values(), self._turn):
            if thread is not None:
                thread.close(error, status)
        self._below.clear()
        self._turn = None

    # -- frames ----------------------------------------------------------------------------

    def _thread(self, used: str | None = None, name: str | None = None) -> Thread:
        """The main line, or that of the sub-agent that a tool's use has started."""
        if used is not None:
            if used not in self._below:
                name = name or self._kinds.pop(used, "agent")
                place = self._tools.get(used) or self._scope()
                self._below[used] = Thread(name, place, now_ns())
            return self._below[used]
        if self._turn is None:
            self._turn = Thread(_NAME, self._parent, now_ns())
        return self._turn

    def _assistant(self, frame: Mapping[str, Any]) -> None:
        body, thread = frame["message"], self._thread(frame.get("parent_tool_use_id"))
        if body.get("model") == _SYNTHETIC:
            if frame.get("error"):
                thread.failed(self._model, frame, now_ns())
            return
        if body["id"] not in self._settled:
            self._message(thread, body).see(body, now_ns(), whole=False)
        for block in body.get("content") or ():
            if block.get("type") == "tool_use" and block["id"] not in self._tools:
                self._use(thread, block)

    def _message(self, thread: Thread, body: Mapping[str, Any]) -> Message:
        known = self._messages.get(body["id"])
        if known is None:
            known = thread.begin(body, body.get("model") or self._model, now_ns())
            self._messages[body["id"]] = known
        return known

    def _use(self, thread: Thread, block: Mapping[str, Any]) -> None:
        if kind := (block.get("input") or {}).get("subagent_type"):
            self._kinds[block["id"]] = str(kind)
        tool = ToolScope(block["name"])
        tool.open(thread.scope)
        self._tools[block["id"]] = tool

    def _event(self, frame: Mapping[str, Any]) -> None:
        """Events of a stream are there where the application has asked for them."""
        event, thread = frame["event"], self._thread(frame.get("parent_tool_use_id"))
        if event.get("type") == "message_start":
            self._message(thread, event["message"])
        elif event.get("type") == "message_delta" and thread.message is not None:
            delta = {**(event.get("delta") or {}), "usage": event.get("usage")}
            thread.message.see(delta, now_ns(), whole=True)

    def _user(self, frame: Mapping[str, Any]) -> None:
        content = frame["message"].get("content")
        for block in content if isinstance(content, list) else ():
            if block.get("type") == "tool_result":
                self._used(block)
        used = frame.get("parent_tool_use_id")
        thread = self._below.get(used) if used else self._turn
        if thread is not None:
            thread.over()
            thread.since_ns = now_ns()

    def _used(self, block: Mapping[str, Any]) -> None:
        used = str(block.get("tool_use_id"))
        tool = self._tools.pop(used, None)
        if tool is not None:
            tool.close(status=Status.ERROR if block.get("is_error") else None)
        if used in self._below and used not in self._in_background:
            self._below.pop(used).close()

    def _system(self, frame: Mapping[str, Any]) -> None:
        kind, used = frame.get("subtype"), frame.get("tool_use_id")
        if kind == "init":
            self._model = frame.get("model") or self._model
            self._thread()
        elif kind == "api_retry":
            self._thread(frame.get("parent_tool_use_id")).asked_again(frame, now_ns())
        elif kind == "task_started" and used:
            self._thread(used, frame.get("subagent_type"))
            self._in_background.update([used] if frame.get("is_backgrounded") else [])
        elif kind == "task_notification" and used in self._below:
            self._below.pop(used).close()

    def _result(self, frame: Mapping[str, Any]) -> None:
        """A turn is over; its totals tell what no message has shown."""
        turn = self._thread()
        turn.over()
        for thread in self._below.values():
            thread.over()
        self._settle(frame.get("modelUsage") or {}, turn.scope)
        turn.close(status=Status.ERROR if frame.get("is_error") else None)
        self._turn = None

    # -- totals ----------------------------------------------------------------------------

    def _settle(self, told: Mapping[str, Mapping[str, Any]], scope: Scope) -> None:
        """Totals are those of the whole session, so each turn adds what they have grown by."""
        for message in self._messages.values():
            self._accounted.setdefault(message.model, []).append(message.usage)
        totals = {model: so_far(one) for model, one in told.items()}
        known = summed(usage for some in self._accounted.values() for usage in some)
        left = summed(totals.values()).excess_over(known)
        for model, total in totals.items():
            shown = [name for name in self._accounted if same_model(model, name)]
            counted = summed(usage for name in shown for usage in self._accounted[name])
            rest = capped(total.excess_over(counted), left)
            open_ = [m for m in self._messages.values() if m.model in shown and not m.whole]
            self._tell(model, rest, open_, scope)
        self._settled.update(self._messages)
        self._messages.clear()

    def _tell(self, model: str, rest: Usage, open_: list[Message], scope: Scope) -> None:
        """The rest is the one message's own, or stands beside the messages that it is the rest of:
        how it is shared between them is not known.
        """
        mine = len(open_) == 1 and only_output(rest)
        for message in open_:
            message.settle(rest if mine else Usage())
        if rest:
            name = open_[-1].model if open_ else model
            self._accounted.setdefault(name, []).append(rest)
        if rest and not mine:
            self._record(model, rest, scope)

    def _record(self, model: str, rest: Usage, scope: Scope) -> None:
        call = CallScope(
            model,
            provider=PROVIDER,
            model=model,
            operation="chat",
            calls=0,
            usage=rest,
            evidence=dict.fromkeys(rest, REPORTED),
        )
        call.observer = OBSERVER
        call.open(scope)
        call.close()
