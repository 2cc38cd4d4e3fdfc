// Has its person asked with the official SDK for Node, 2.x, of both eras: for a plain call, and by an agent.

import assert from "node:assert/strict";

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const [binary, project, url] = process.argv.slice(2);
const yes = { action: "accept", content: { approve: true } };

async function drive(place, transport, mode) {
  const [asked, answers] = [[], [{ action: "decline" }, yes, yes, { action: "accept", content: { answer: "both" } }]];
  const client = new Client({ name: "test", version: "1" }, { capabilities: { elicitation: {} }, versionNegotiation: { mode } });
  client.setRequestHandler("elicitation/create", ({ params }) => {
    asked.push(params.message);
    return answers.shift();
  });
  await client.connect(transport);
  const call = (name, args) => client.callTool({ name, arguments: args });

  const waits = await call("counter__strike", { note: place });
  assert.ok(waits.isError && waits._meta["remit/waiting"].approval, JSON.stringify(waits));
  const struck = await call("counter__strike", { note: place });
  assert.ok(!struck.isError && struck.structuredContent.count, JSON.stringify(struck));
  assert.ok(asked.length === 2 && asked.every((text) => text.includes("`counter/strike`") && text.includes(place)), asked);

  const steps = [{ approve: { title: "Go?" } }, { input: "Which?" }, { put: { key: "k", value: 1 } }];
  const done = await call("agents__scripted", { input: { steps } });
  assert.deepEqual([done.structuredContent.status, done.structuredContent.output.log[1]], ["done", "both"], JSON.stringify(done));
  assert.ok(asked.length === 4 && asked[2].includes("Go?"), asked);
  await client.close();
  console.log(place);
}

const server = { command: binary, args: ["--project", project, "mcp"], env: process.env, stderr: "ignore" };
for (const mode of ["auto", "legacy", { pin: "2026-07-28" }]) {
  await drive(`stdio ${mode.pin ?? mode}`, new StdioClientTransport(server), mode);
  await drive(`http ${mode.pin ?? mode}`, new StreamableHTTPClientTransport(new URL(url)), mode);
}
