"""Runs an agent with the official SDK of the handshake era: its person is asked, and the session goes on by its handle."""

import asyncio
import json
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import ElicitResult


async def main():
    server = StdioServerParameters(command=sys.argv[1], args=["--project", sys.argv[2], "mcp"], env=None)
    answers = [ElicitResult(action="decline"), ElicitResult(action="accept", content={"approve": True})]
    asked = []

    async def ask(_context, params):
        asked.append(params.message)
        return answers.pop(0)

    async with stdio_client(server) as (read, write), ClientSession(read, write, elicitation_callback=ask) as session:
        await session.initialize()
        steps = [{"approve": {"title": "Go?"}}, {"put": {"key": "k", "value": 1}}]
        waits = await session.call_tool("agents__scripted", {"input": {"steps": steps}})
        assert waits.structuredContent["status"] == "waiting" and not waits.isError, waits
        handle = waits.structuredContent["session"]
        done = await session.call_tool("agents__scripted", {"session": handle})
        assert done.structuredContent["status"] == "done", done
        assert len(asked) == 2 and "Go?" in asked[0], asked
        more = await session.call_tool("agents__scripted", {"session": handle, "input": {"steps": [{"get": "k"}]}})
        assert more.structuredContent["output"] == {"log": [1]}, more
        read = await session.read_resource(f"remit://session/{handle}/state")
        assert json.loads(read.contents[0].text) == {"k": 1}, read


asyncio.run(main())
