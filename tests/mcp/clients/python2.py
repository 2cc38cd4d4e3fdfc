"""Drives `remit mcp` with the official SDK of both eras: the binary, a project's folder, and where it is served over HTTP."""

import asyncio
import os
import sys

from mcp import Client, MCPError, StdioServerParameters

BINARY, PROJECT, URL = sys.argv[1:]


async def drive(server, mode):
    told, steps, running = asyncio.Queue(), [], asyncio.Event()

    async def log(params):
        told.put_nowait(params.data)

    async def progress(step, total, message):
        steps.append(step)
        running.set()

    async with Client(server, mode=mode, logging_callback=log, log_level="info") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools["raw__answer"].output_schema["required"] == ["result"] and tools["raw__answer"].annotations.read_only_hint

        answer = await client.call_tool("raw__answer", {})
        assert answer.structured_content == {"result": 42}, answer
        failed = await client.call_tool("raw__failed", {})
        assert failed.is_error and failed.content[0].text == "it broke", failed

        denied = await client.call_tool("hostile__write_file", {"path": "/docs/a.md", "text": "x"})
        denial = denied.structured_content["denials"][0]
        assert denied.is_error and (denial["capability"], denial["rule"]) == ("fs", "not-granted"), denied
        denied = await client.call_tool("hostile__list_folder", {"path": "/etc"})
        assert denied.is_error and denied.meta["remit/denials"][0]["capability"] == "fs", denied

        try:
            await client.call_tool("raw__nothing", {})
            raise AssertionError("there is no such tool")
        except MCPError as error:
            assert error.code == -32602, error

        await client.call_tool("raw__progress", {}, progress_callback=progress)
        assert len(steps) == 4 and steps == sorted(set(steps)), steps
        await client.call_tool("hostile__flood_log", {"amount": 2})
        for _ in range(2):
            await asyncio.wait_for(told.get(), 60)

        running.clear()
        endless = asyncio.create_task(client.call_tool("brief__spin", {}, progress_callback=progress))
        await asyncio.wait_for(running.wait(), 60)
        endless.cancel()

        many = await asyncio.gather(*(client.call_tool("raw__echo", {"n": n}) for n in range(64)))
        assert [one.structured_content["n"] for one in many] == list(range(64))
        await client.call_tool("hostile__sleep", {"milliseconds": 5500})


async def main():
    server = StdioServerParameters(command=BINARY, args=["--project", PROJECT, "mcp"], env=dict(os.environ))
    await asyncio.gather(*(drive(place, mode) for mode in ["auto", "legacy", "2026-07-28"] for place in [server, URL]))


asyncio.run(main())
