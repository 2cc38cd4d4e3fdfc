"""Drives `remit mcp` with the official SDK, as an agent's host would: the binary, then the project's folder."""

import asyncio
import sys

from mcp import ClientSession, McpError, StdioServerParameters
from mcp.client.stdio import stdio_client


async def main():
    server = StdioServerParameters(command=sys.argv[1], args=["--project", sys.argv[2], "mcp"], env=None)
    told = []

    async def log(params):
        told.append(params.data)

    async with stdio_client(server) as (read, write), ClientSession(read, write, logging_callback=log) as session:
        opened = await session.initialize()
        assert opened.serverInfo.name == "remit", opened
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert tools["raw__answer"].outputSchema["required"] == ["result"], tools["raw__answer"]
        assert tools["raw__answer"].annotations.readOnlyHint

        answer = await session.call_tool("raw__answer", {})
        assert answer.structuredContent == {"result": 42}, answer
        failed = await session.call_tool("raw__failed", {})
        assert failed.isError and failed.content[0].text == "it broke", failed
        every = await session.call_tool("raw__everything", {})
        assert [piece.type for piece in every.content] == ["text", "image", "audio", "resource_link", "resource"]

        denied = await session.call_tool("hostile__write_file", {"path": "/docs/a.md", "text": "x"})
        assert denied.isError
        denial = denied.structuredContent["denials"][0]
        assert (denial["capability"], denial["rule"]) == ("fs", "not-granted"), denial
        denied = await session.call_tool("hostile__list_folder", {"path": "/etc"})
        assert denied.isError and denied.meta["remit/denials"][0]["capability"] == "fs", denied

        try:
            await session.call_tool("raw__nothing", {})
            raise AssertionError("there is no such tool")
        except McpError as error:
            assert error.error.code == -32602, error

        steps = []

        async def progress(step, total, message):
            steps.append(step)

        await session.call_tool("raw__progress", {}, progress_callback=progress)
        assert len(steps) == 4 and steps == sorted(set(steps)), steps
        await session.call_tool("hostile__flood_log", {"amount": 2})
        assert len(told) == 2, told
        await session.set_logging_level("emergency")
        await session.call_tool("hostile__flood_log", {"amount": 2})
        assert len(told) == 2, told

        many = await asyncio.gather(*(session.call_tool("raw__echo", {"n": n}) for n in range(64)))
        assert [one.structuredContent["n"] for one in many] == list(range(64))


asyncio.run(main())
