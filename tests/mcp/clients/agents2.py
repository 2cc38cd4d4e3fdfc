"""Runs an agent with the official SDK, with the handshake and without it: its person is asked, in whatever way the revision knows."""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters
from mcp_types import ElicitResult


async def drive(mode):
    server = StdioServerParameters(command=sys.argv[1], args=["--project", sys.argv[2], "mcp"])
    asked = []

    async def ask(_context, params):
        asked.append(params.message)
        return ElicitResult(action="accept", content={"approve": True} if len(asked) == 1 else {"answer": "both"})

    async with Client(server, mode=mode, elicitation_callback=ask) as client:
        steps = [{"approve": {"title": "Go?"}}, {"input": "Which?"}, {"put": {"key": "k", "value": 1}}]
        done = await client.call_tool("agents__scripted", {"input": {"steps": steps}})
        assert done.structured_content["status"] == "done" and not done.is_error, done
        assert done.structured_content["output"]["log"][1] == "both", done
        assert len(asked) == 2 and "Go?" in asked[0], asked
        handle = done.structured_content["session"]
        more = await client.call_tool("agents__scripted", {"session": handle, "input": {"steps": [{"get": "k"}]}})
        assert more.structured_content["output"] == {"log": [1]}, more
        failed = await client.call_tool("agents__scripted", {"session": handle, "input": {"steps": [{"fail": "no luck"}]}})
        assert failed.is_error and failed.structured_content["status"] == "failed", failed
        state = await client.read_resource(f"remit://session/{handle}/state")
        assert json.loads(state.contents[0].text) == {"k": 1}, state


for mode in ["auto", "legacy", "2026-07-28"]:
    asyncio.run(drive(mode))
