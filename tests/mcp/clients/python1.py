"""Drives `remit mcp` with the official SDK of the handshake era: the binary, a project's folder, and where it is served over HTTP."""

import asyncio
import os
import sys

from mcp import ClientSession, McpError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CancelledNotification, CancelledNotificationParams, ClientNotification

BINARY, PROJECT, URL = sys.argv[1:]


async def drive(transport):
    told, steps, running = asyncio.Queue(), [], asyncio.Event()

    async def log(params):
        told.put_nowait(params.data)

    async def progress(step, total, message):
        steps.append(step)
        running.set()

    async with transport as (read, write, *_), ClientSession(read, write, logging_callback=log) as session:
        assert (await session.initialize()).serverInfo.name == "remit"
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert tools["raw__answer"].outputSchema["required"] == ["result"] and tools["raw__answer"].annotations.readOnlyHint

        answer = await session.call_tool("raw__answer", {})
        assert answer.structuredContent == {"result": 42}, answer
        failed = await session.call_tool("raw__failed", {})
        assert failed.isError and failed.content[0].text == "it broke", failed
        every = await session.call_tool("raw__everything", {})
        assert [piece.type for piece in every.content] == ["text", "image", "audio", "resource_link", "resource"]

        denied = await session.call_tool("hostile__write_file", {"path": "/docs/a.md", "text": "x"})
        denial = denied.structuredContent["denials"][0]
        assert denied.isError and (denial["capability"], denial["rule"]) == ("fs", "not-granted"), denied
        denied = await session.call_tool("hostile__list_folder", {"path": "/etc"})
        assert denied.isError and denied.meta["remit/denials"][0]["capability"] == "fs", denied

        try:
            await session.call_tool("raw__nothing", {})
            raise AssertionError("there is no such tool")
        except McpError as error:
            assert error.error.code == -32602, error

        await session.call_tool("raw__progress", {}, progress_callback=progress)
        assert len(steps) == 4 and steps == sorted(set(steps)), steps
        await session.call_tool("hostile__flood_log", {"amount": 2})
        for _ in range(2):
            await asyncio.wait_for(told.get(), 60)

        # This SDK says nothing to the server when its caller gives up: whoever uses it has to.
        running.clear()
        request = session._request_id
        endless = asyncio.create_task(session.call_tool("brief__spin", {}, progress_callback=progress))
        await asyncio.wait_for(running.wait(), 60)
        params = CancelledNotificationParams(requestId=request, reason="enough")
        await session.send_notification(ClientNotification(CancelledNotification(params=params)))
        endless.cancel()

        many = await asyncio.gather(*(session.call_tool("raw__echo", {"n": n}) for n in range(64)))
        assert [one.structuredContent["n"] for one in many] == list(range(64))
        await session.call_tool("hostile__sleep", {"milliseconds": 5500})


async def main():
    server = StdioServerParameters(command=BINARY, args=["--project", PROJECT, "mcp"], env=dict(os.environ))
    await asyncio.gather(drive(stdio_client(server)), drive(streamable_http_client(URL)))


asyncio.run(main())
