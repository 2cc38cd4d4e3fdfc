"""Drives `remit mcp` with the official SDK, with the handshake and without it: the binary, then the project's folder."""

import asyncio
import sys

from mcp import Client, MCPError, StdioServerParameters


async def drive(mode):
    server = StdioServerParameters(command=sys.argv[1], args=["--project", sys.argv[2], "mcp"])
    told = []

    async def log(params):
        told.append(params.data)

    async with Client(server, mode=mode, logging_callback=log, log_level="info") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools["raw__answer"].output_schema["required"] == ["result"], tools["raw__answer"]

        answer = await client.call_tool("raw__answer", {})
        assert answer.structured_content == {"result": 42}, answer
        failed = await client.call_tool("raw__failed", {})
        assert failed.is_error and failed.content[0].text == "it broke", failed

        denied = await client.call_tool("hostile__write_file", {"path": "/docs/a.md", "text": "x"})
        assert denied.is_error, denied
        denial = denied.structured_content["denials"][0]
        assert (denial["capability"], denial["rule"]) == ("fs", "not-granted"), denial
        denied = await client.call_tool("hostile__list_folder", {"path": "/etc"})
        assert denied.is_error and denied.meta["remit/denials"][0]["capability"] == "fs", denied

        try:
            await client.call_tool("raw__nothing", {})
            raise AssertionError("there is no such tool")
        except MCPError as error:
            assert error.code == -32602, error

        steps = []

        async def progress(step, total, message):
            steps.append(step)

        await client.call_tool("raw__progress", {}, progress_callback=progress)
        assert len(steps) == 4 and steps == sorted(set(steps)), steps
        await client.call_tool("hostile__flood_log", {"amount": 2})
        assert len(told) == 2, told

        # A call that is given up ends, and the next one is served.
        try:
            await client.call_tool("hostile__wait_forever", {}, read_timeout_seconds=0.5)
            raise AssertionError("it waits for ever")
        except MCPError:
            pass
        many = await asyncio.gather(*(client.call_tool("raw__echo", {"n": n}) for n in range(64)))
        assert [one.structured_content["n"] for one in many] == list(range(64))


for mode in ["auto", "legacy", "2026-07-28"]:
    asyncio.run(drive(mode))
