"""Has its person asked with FastMCP: for a plain call, and by an agent."""

import asyncio
import os
import sys

from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport

BINARY, PROJECT, URL = sys.argv[1:]


async def drive(place, server, mode):
    asked, answers = [], [None, {"approve": True}, {"approve": True}, {"answer": "both"}]

    async def ask(message, response_type, params, context):
        asked.append(message)
        content = answers.pop(0)
        return ElicitResult(action="decline") if content is None else ElicitResult(action="accept", content=content)

    async with Client(server, mode=mode, elicitation_handler=ask) as client:
        waits = await client.call_tool("counter__strike", {"note": place}, raise_on_error=False)
        assert waits.is_error and "approval" in waits.meta["remit/waiting"], waits
        done = await client.call_tool("counter__strike", {"note": place})
        assert done.structured_content["count"], done
        assert len(asked) == 2 and all("`counter/strike`" in text and place in text for text in asked), asked

        steps = [{"approve": {"title": "Go?"}}, {"input": "Which?"}, {"put": {"key": "k", "value": 1}}]
        done = await client.call_tool("agents__scripted", {"input": {"steps": steps}})
        assert done.structured_content["status"] == "done", done
        assert done.structured_content["output"]["log"][1] == "both", done
        assert len(asked) == 4 and "Go?" in asked[2], asked
    print(place)


async def main():
    for mode in ["auto", "legacy"]:
        server = StdioTransport(BINARY, ["--project", PROJECT, "mcp"], env=dict(os.environ), keep_alive=False)
        await drive(f"stdio {mode}", server, mode)
        await drive(f"http {mode}", URL, mode)


asyncio.run(main())
