// The same tool with the SDK for Node: it gives its arguments back, as text and as data.
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";

const server = new McpServer({ name: "echo", version: "1" });
server.registerTool("echo", { inputSchema: { text: z.string() } }, async (args) => ({
  content: [{ type: "text", text: JSON.stringify(args) }],
  structuredContent: args,
}));
await server.connect(new StdioServerTransport());
