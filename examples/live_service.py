"""A service with three plans, a live meter and receipts.

    python examples/live_service.py          # a visit of three users, and what they saw
    python examples/live_service.py --serve  # open http://127.0.0.1:8000 in a browser

It runs offline: the model is a scripted server on the loopback address. It needs fastapi, uvicorn,
httpx and openai.
"""

import asyncio
import json
import sys
import threading
import time
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path

import httpx
import openai
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, StreamingResponse

import agentmeter as am
from agentmeter.render.receipt_html import receipt_html
from agentmeter.testing import ModelServer, Reply
from agentmeter.web import live
from agentmeter.web.asgi import AgentmeterMiddleware

PLANS = Path(__file__).with_name("live_service.toml")
USERS = {"ann": "free", "ben": "pro", "cleo": "usage"}  # a real service signs its users in
PUBLIC = {"assistant": "Worked on your question", "kb.search": "Searched the handbook"}
MODEL = ModelServer(default=Reply(text="Forty-two.", input=2_400, output=180, delay=0.05))

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Ask</title>
<style>:root{color-scheme:light dark} body{font:1rem system-ui;max-width:40rem;margin:auto}</style>
<h1>Ask</h1>
<form><label>You <select name="user"><option>ann<option>ben<option>cleo</select></label>
<label>Question <input name="question" value="What is the answer?" size="40"></label>
<button>Ask</button></form>
<p role="status" id="meter"></p><ul id="done"></ul><p><a id="receipt" hidden>Receipt</a></p>
<script>
const at = id => document.getElementById(id);
document.forms[0].onsubmit = async submitted => {
  submitted.preventDefault();
  const {user, question} = Object.fromEntries(new FormData(submitted.target));
  const asked = await fetch("ask", {method: "POST", headers: {"x-user": user}, body: question});
  const token = encodeURIComponent((await asked.json()).token);
  const events = new EventSource("live?token=" + token);
  const show = (message, soFar) => {
    const {work, charge, done} = JSON.parse(message.data);
    const tokens = work.input_tokens + work.output_tokens;
    at("meter").textContent = `${tokens} tokens, ${charge.amount} ${charge.currency}${soFar}`;
    at("done").replaceChildren(...done.map(({what, times}) => {
      const item = document.createElement("li");
      item.textContent = `${what} (${times})`;
      return item;
    }));
  };
  events.addEventListener("progress", message => show(message, " so far"));
  events.addEventListener("end", message => {
    show(message, "");
    events.close();
    at("receipt").href = "receipt?token=" + token;
    at("receipt").hidden = false;
  });
};
</script></html>
"""

app = FastAPI()
asked: OrderedDict[str, object] = OrderedDict()
"""The latest requests by their token: who has one may see what it leads to."""
working: set[asyncio.Task] = set()


@am.tool("kb.search")
def search(topic: str) -> str:
    """Look something up, for money."""
    am.charge("kb.search", usd="0.002")
    return f"All about {topic}."


@am.agent("assistant")
async def assist(question: str) -> str:
    """Search twice, think in between, and answer."""
    answer = question
    async with openai.AsyncOpenAI(base_url=MODEL.base_url, api_key="scripted") as client:
        for topic in ("answers", "questions"):
            messages = [{"role": "user", "content": f"{answer}\n{search(topic)}"}]
            said = await client.chat.completions.create(model="gpt-5", messages=messages)
            answer = said.choices[0].message.content or ""
    return answer


def user_of(headers) -> str:
    """The user who asks."""
    user = headers.get("x-user")
    if user not in USERS:
        raise HTTPException(401, "who are you?")
    return user


@app.get("/")
def page() -> HTMLResponse:
    """The page with the live meter."""
    return HTMLResponse(PAGE)


@app.post("/answer")
async def answer(request: Request) -> dict[str, str]:
    """An answer in one piece, which says on its head what it is charged."""
    user_of(request.headers)
    return {"answer": await assist((await request.body()).decode())}


@app.post("/ask")
async def ask(request: Request) -> dict[str, str]:
    """Begin to work on a question; what comes back lets the user follow it."""
    user = user_of(request.headers)
    question, token = (await request.body()).decode(), asyncio.Future()

    async def work() -> None:
        with am.request("ask", user=user, plan=USERS[user]) as metered:
            key = live.token(metered)
            asked[key] = metered
            while len(asked) > 1_000:
                asked.popitem(last=False)
            token.set_result(key)
            await assist(question)

    task = asyncio.create_task(work())
    working.add(task)
    task.add_done_callback(working.discard)
    return {"token": await token}


@app.get("/live")
async def follow(token: str) -> StreamingResponse:
    """The meter of a request, for who has its token."""
    try:
        events = live.events(token, money="charge")
    except am.ScopeError as error:
        raise HTTPException(404, str(error)) from error
    return StreamingResponse(live.server_sent(events), media_type="text/event-stream")


@app.get("/receipt")
def receipt(token: str) -> HTMLResponse:
    """The receipt of a request, for who has its token."""
    if token not in asked:
        raise HTTPException(404, "there is no such request, or it was long ago")
    return HTMLResponse(receipt_html(asked[token].receipt()))


def header(scope, name: bytes) -> str | None:
    """A header of what an ASGI server was handed."""
    return next((value.decode() for key, value in scope["headers"] if key == name), None)


metered_app = AgentmeterMiddleware(
    app,
    name="answer",
    user=lambda scope: header(scope, b"x-user"),
    plan=lambda scope: USERS.get(header(scope, b"x-user")),
    when=lambda scope: scope["path"] == "/answer",
    cost_header="charge",
)


@contextmanager
def metering():
    """The scripted model is there, and what asks it is metered."""
    am.configure(plans=PLANS, public_names=PUBLIC, provenance=False)
    am.instrument("openai")
    stop = am.on("loop.repeats", lambda alert: print("alert:", alert.event, dict(alert.facts)))
    with MODEL:
        yield
    stop()
    am.flush()


@contextmanager
def serving():
    """The service, on a loopback port of its own, in a thread."""
    config = uvicorn.Config(metered_app, port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def followed(client: httpx.Client, token: str) -> list[dict]:
    """Every event of a request until its end."""
    with client.stream("GET", "/live", params={"token": token}) as stream:
        lines = [line for line in stream.iter_lines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def visit(url: str) -> None:
    """What three users see."""
    with httpx.Client(base_url=url, timeout=30) as client:
        for user, plan in USERS.items():
            whose = {"x-user": user}
            answer = client.post("/answer", headers=whose, content="Why?")
            print(f"{user} ({plan}): X-Request-Cost: {answer.headers.get('x-request-cost')}")
            token = client.post("/ask", headers=whose, content="Why not?").json()["token"]
            events = followed(client, token)
            last = events[-1]
            charge = last["charge"]
            print(f"  live: {last['type']}, {charge['amount']} {charge['currency']}", end=", ")
            print(", ".join(f"{one['what']} x {one['times']}" for one in last["done"]))
            page = client.get("/receipt", params={"token": token})
            print(f"  receipt: {len(page.text):,} characters of HTML, {page.status_code}")
        forged = client.get("/live", params={"token": token[:-1] + "x"})
        print(f"a forged token: {forged.status_code} {forged.json()['detail']}")


if __name__ == "__main__":
    with metering():
        if "--serve" in sys.argv:
            uvicorn.run(metered_app, host="127.0.0.1", port=8000)
        else:
            with serving() as url:
                visit(url)
