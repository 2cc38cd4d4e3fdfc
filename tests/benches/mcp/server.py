"""The same tool with the SDK for Python: it gives its argument back, as text and as data."""

from mcp.server import MCPServer

server = MCPServer("echo")


@server.tool()
def echo(text: str) -> dict[str, str]:
    return {"text": text}


server.run()
