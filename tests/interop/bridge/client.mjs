// Tries every feature with an official SDK and prints each message that the client sent and got, as JSON lines.
// `node client.mjs KIND URL TOKEN` directly, or `node client.mjs KIND -- PROGRAM ARGUMENT…` through a program.
// KIND: `v1` (sdk 1.32), `v2-2025` or `v2-2026` (client 2.4).
import { z } from "zod";

const [kind, where, ...rest] = process.argv.slice(2);
const old = kind !== "v2-2026";
const from = (v1, v2) => import(kind === "v1" ? `@modelcontextprotocol/sdk/client/${v1}.js` : `@modelcontextprotocol/client${v2}`);
const { Client } = await from("index", "");

let transport;
if (where === "--") {
  const { StdioClientTransport } = await from("stdio", "/stdio");
  transport = new StdioClientTransport({ command: rest[0], args: rest.slice(1), env: process.env, stderr: "inherit" });
} else {
  const { StreamableHTTPClientTransport } = await from("streamableHttp", "");
  const options = { requestInit: { headers: { Authorization: `Bearer ${rest[0]}` } } };
  transport = new StreamableHTTPClientTransport(new URL(where), options);
}

const say = (way, message) => console.log(JSON.stringify({ way, message }));
const send = transport.send.bind(transport);
transport.send = (message, options) => { say("sent", message); return send(message, options); };

const capabilities = { elicitation: {}, roots: { listChanged: true } };
const versionNegotiation = { mode: old ? "legacy" : { pin: "2026-07-28" } };
const client = new Client({ name: "interop", version: "1" }, { capabilities, versionNegotiation });
const any = z.looseObject({});
let listChanged;
const changed = new Promise((done) => { listChanged = done; });
if (kind === "v1") {
  const { ElicitRequestSchema, ToolListChangedNotificationSchema } = await import("@modelcontextprotocol/sdk/types.js");
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { name: "Ada" } }));
  client.setNotificationHandler(ToolListChangedNotificationSchema, listChanged);
} else {
  client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: { name: "Ada" } }));
  client.setNotificationHandler("notifications/tools/list_changed", listChanged);
}

await client.connect(transport);
const got = transport.onmessage;
transport.onmessage = (message, extra) => { say("got", message); got(message, extra); };
client.onerror = (error) => console.error(String(error));

const ask = async (method, params = {}, options = {}) => {
  try {
    return await client.request({ method, params }, any, options);
  } catch (error) {
    return error;
  }
};
const call = (name, args, options) => ask("tools/call", { name, arguments: args }, options);

if (old) {
  await ask("tools/list");
} else {
  // This line of the SDK mirrors arguments of the tools that it has listed.
  await client.listTools();
}
await call("echo", { text: "Écho \u0001 世界 😀 \\ \" \n line" });
for (const region of ["us-west1", "Zürich, 世界"]) {
  await client.callTool({ name: "regional", arguments: { region } });
}
await call("progress", { steps: 5 }, { onprogress: () => {} });
await call("fails", {});
await call("large", { size: 1 << 20 });
await call("nosuch", {});
await ask("no/such/method");
await ask("resources/list");
await ask("resources/templates/list");
await ask("resources/read", { uri: "note://one" });
await ask("prompts/list");
await ask("prompts/get", { name: "greet", arguments: { name: "Zoë" } });
await Promise.all(Array.from({ length: 30 }, (_, index) => call("echo", { text: `${index}` })));
if (old) {
  await ask("ping");
  await ask("logging/setLevel", { level: "info" });
  await call("ask", {});
  await client.notification({ method: "notifications/roots/list_changed" });
  // The standing stream may not be open yet.
  await new Promise((done) => setTimeout(done, 300));
  await call("announce", {});
  await changed;
}
const enough = new AbortController();
setTimeout(() => enough.abort(), 100);
await call("slow", {}, { signal: enough.signal });
await new Promise((done) => setTimeout(done, 300));
await call("echo", { text: "last" });
console.log(JSON.stringify({ way: "done" }));
if (process.env.WAIT) {
  // A rotation happens now; the same process goes on.
  process.stdin.once("data", async () => {
    const answer = await call("echo", { text: "after the rotation" });
    console.log(JSON.stringify({ way: "rotated", message: answer }));
    await client.close();
    process.exit(0);
  });
} else {
  await client.close();
  process.exit(0);
}
