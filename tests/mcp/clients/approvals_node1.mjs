// Has its person asked with the official SDK for Node, 1.x, of the handshake era: for a plain call, and by an agent.

import assert from "node:assert/strict";

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const [binary, project, url] = process.argv.slice(2);
const yes = { action: "accept", content: { approve: true } };

async function drive(place, transport) {
  const [asked, answers] = [[], [{ action: "decline" }, yes, yes, { action: "accept", content: { answer: "both" } }]];
  const client = new Client({ name: "test", version: "1" }, { capabilities: { elicitation: {} } });
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
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
await drive("stdio", new StdioClientTransport(server));
await drive("http", new StreamableHTTPClientTransport(new URL(url)));
