// Drives `remit mcp` with the official SDK for Node, 1.x, of the handshake era: the binary, a project's folder, and where it is served over HTTP.

import assert from "node:assert/strict";

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { LoggingMessageNotificationSchema } from "@modelcontextprotocol/sdk/types.js";

const [binary, project, url] = process.argv.slice(2);

async function drive(transport) {
  const client = new Client({ name: "test", version: "1" });
  let told = 0;
  const heard = new Promise((all) => client.setNotificationHandler(LoggingMessageNotificationSchema, () => void (++told === 2 && all())));
  await client.connect(transport);
  const call = (name, args = {}, options = {}) => client.callTool({ name, arguments: args }, undefined, options);

  const tools = Object.fromEntries((await client.listTools()).tools.map((tool) => [tool.name, tool]));
  assert.deepEqual(tools.raw__answer.outputSchema.required, ["result"]);
  assert.equal(tools.raw__answer.annotations.readOnlyHint, true);

  assert.deepEqual((await call("raw__answer")).structuredContent, { result: 42 });
  const failed = await call("raw__failed");
  assert.ok(failed.isError && failed.content[0].text === "it broke", JSON.stringify(failed));

  let denied = await call("hostile__write_file", { path: "/docs/a.md", text: "x" });
  const { capability, rule } = denied.structuredContent.denials[0];
  assert.deepEqual([denied.isError, capability, rule], [true, "fs", "not-granted"]);
  denied = await call("hostile__list_folder", { path: "/etc" });
  assert.deepEqual([denied.isError, denied._meta["remit/denials"][0].capability], [true, "fs"]);

  await assert.rejects(call("raw__nothing"), { code: -32602 });

  await call("hostile__flood_log", { amount: 2 });
  await heard;

  // This SDK drops progress that comes in one piece with the answer; this call has no answer.
  const giving = new AbortController();
  const endless = call("brief__spin", {}, { signal: giving.signal, onprogress: () => giving.abort("enough") });
  await assert.rejects(endless);

  const many = await Promise.all(Array.from({ length: 64 }, (_, n) => call("raw__echo", { n })));
  assert.deepEqual(many.map((one) => one.structuredContent.n), many.map((_, n) => n));
  await call("hostile__sleep", { milliseconds: 5500 });
  await client.close();
}

const server = { command: binary, args: ["--project", project, "mcp"], env: process.env, stderr: "ignore" };
await Promise.all([new StdioClientTransport(server), new StreamableHTTPClientTransport(new URL(url))].map(drive));
