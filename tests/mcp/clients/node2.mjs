// Drives `remit mcp` with the official SDK for Node, 2.x, of both eras: the binary, a project's folder, and where it is served over HTTP.

import assert from "node:assert/strict";

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const [binary, project, url] = process.argv.slice(2);

async function drive(transport, mode) {
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  let told = 0;
  const heard = new Promise((all) => client.setNotificationHandler("notifications/message", () => void (++told === 2 && all())));
  await client.connect(transport);
  const call = (name, args = {}, options = {}) => client.callTool({ name, arguments: args }, options);

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

  const level = { _meta: { "io.modelcontextprotocol/logLevel": "info" } };
  await client.callTool({ name: "hostile__flood_log", arguments: { amount: 2 }, ...level });
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
const places = [() => new StdioClientTransport(server), () => new StreamableHTTPClientTransport(new URL(url))];
const modes = ["auto", "legacy", { pin: "2026-07-28" }];
await Promise.all(modes.flatMap((mode) => places.map((place) => drive(place(), mode))));
