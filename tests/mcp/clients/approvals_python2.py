"""Has its person asked with the official SDK, with the handshake and without it: for a plain call, and by an agent, in whatever way the
revision knows."""

import asyncio
import json
import os
import sys

from mcp import Client, StdioServerParameters
from mcp_types import ElicitResult

BINARY, PROJECT, URL = sys.argv[1:]
YES = ElicitResult(action="accept", content={"approve": True})


async def drive(place, server, mode):
    asked, answers = [], [ElicitResult(action="decline"), YES, YES, ElicitResult(action="accept", content={"answer": "both"})]

    async def ask(_context, params):
        asked.append(params.message)
        return answers.pop(0)

    async with Client(server, mode=mode, elicitation_callback=ask) as client:
        waits = await client.call_tool("counter__strike", {"note": place})
        assert waits.is_error and "approval" in waits.meta["remit/waiting"], waits
        done = await client.call_tool("counter__strike", {"note": place})
        assert not done.is_error and done.structured_content["count"], done
        assert len(asked) == 2 and all("`counter/strike`" in text and place in text for text in asked), asked

        steps = [{"approve": {"title": "Go?"}}, {"input": "Which?"}, {"put": {"key": "k", "value": 1}}]
        done = await client.call_tool("agents__scripted", {"input": {"steps": steps}})
        assert done.structured_content["status"] == "done" and not done.is_error, done
        assert done.structured_content["output"]["log"][1] == "both", done
        assert len(asked) == 4 and "Go?" in asked[2], asked
        handle = done.structured_content["session"]
        more = await client.call_tool("agents__scripted", {"session": handle, "input": {"steps": [{"get": "k"}]}})
        assert more.structured_content["output"] == {"log": [1]}, more
        failed = await client.call_tool("agents__scripted", {"session": handle, "input": {"steps": [{"fail": "no luck"}]}})
        assert failed.is_error and failed.structured_content["status"] == "failed", failed
        state = await client.read_resource(f"remit://session/{handle}/state")
        assert json.loads(state.contents[0].text) == {"k": 1}, state
    print(place)


async def main():
    server = StdioServerParameters(command=BINARY, args=["--project", PROJECT, "mcp"], env=dict(os.environ))
    for mode in ["auto", "legacy", "2026-07-28"]:
        await drive(f"stdio {mode}", server, mode)
        await drive(f"http {mode}", URL, mode)


asyncio.run(main())
