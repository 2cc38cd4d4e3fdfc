"""Has its person asked with the official SDK of the handshake era: for a plain call, and by an agent, whose session goes on by its handle."""

import asyncio
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult

BINARY, PROJECT, URL = sys.argv[1:]


async def drive(place, transport):
    asked, answers = [], [ElicitResult(action="decline"), ElicitResult(action="accept", content={"approve": True})] * 2

    async def ask(_context, params):
        asked.append(params.message)
        return answers.pop(0)

    async with transport as (read, write, *_), ClientSession(read, write, elicitation_callback=ask) as session:
        await session.initialize()
        waits = await session.call_tool("counter__strike", {"note": place})
        assert waits.isError and "approval" in waits.meta["remit/waiting"], waits
        done = await session.call_tool("counter__strike", {"note": place})
        assert not done.isError and done.structuredContent["count"], done
        assert len(asked) == 2 and all("`counter/strike`" in text and place in text for text in asked), asked

        steps = [{"approve": {"title": "Go?"}}, {"put": {"key": "k", "value": 1}}]
        waits = await session.call_tool("agents__scripted", {"input": {"steps": steps}})
        assert waits.structuredContent["status"] == "waiting" and not waits.isError, waits
        handle = waits.structuredContent["session"]
        done = await session.call_tool("agents__scripted", {"session": handle})
        assert done.structuredContent["status"] == "done", done
        assert len(asked) == 4 and "Go?" in asked[3], asked
        more = await session.call_tool("agents__scripted", {"session": handle, "input": {"steps": [{"get": "k"}]}})
        assert more.structuredContent["output"] == {"log": [1]}, more
        read = await session.read_resource(f"remit://session/{handle}/state")
        assert json.loads(read.contents[0].text) == {"k": 1}, read
    print(place)


async def main():
    server = StdioServerParameters(command=BINARY, args=["--project", PROJECT, "mcp"], env=dict(os.environ))
    await drive("stdio", stdio_client(server))
    await drive("http", streamable_http_client(URL))


asyncio.run(main())
