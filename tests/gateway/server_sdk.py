"""A server of the official SDK over streamable HTTP. The line of uvicorn on standard error says where it is."""

try:
    from mcp.server.fastmcp import FastMCP as Server
except ImportError:
    from mcp.server import MCPServer as Server

import socket

import uvicorn

server = Server("sdk")


@server.tool()
def greet(name: str) -> str:
    """Greets somebody."""
    return f"Hello, {name}"


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
port = listener.getsockname()[1]
listener.close()
uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=port, log_level="info")
