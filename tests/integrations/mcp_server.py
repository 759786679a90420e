"""A tool server whose tool asks a model itself: ``python mcp_server.py BASE_URL JOURNAL``."""

import sys
from typing import Any

import agentmeter as am


def main(base_url: str, folder: str) -> None:
    am.configure(directory=folder)
    am.instrument("mcp", "openai")
    import openai

    try:
        from mcp.server.mcpserver import MCPServer as ToolServer
    except ModuleNotFoundError:
        from mcp.server.fastmcp import FastMCP as ToolServer
    server: Any = ToolServer("weather")

    @server.tool()
    async def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        client = openai.AsyncOpenAI(base_url=base_url, api_key="test")
        said: Any = [{"role": "user", "content": city}]
        answer = await client.chat.completions.create(model="gpt-5-mini", messages=said)
        return str(answer.choices[0].message.content)

    server.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
