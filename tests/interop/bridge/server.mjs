// An MCP server made with the official SDKs: `node server.mjs KIND`, where KIND is `v1` (sdk 1.32), `v2-2025` or
// `v2-2026` (server 2.4). Prints its address. POST /control {"token": …} lets in this token only.
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { readFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { z } from "zod";

const kind = process.argv[2];
const { McpServer } = await import(kind === "v1" ? "@modelcontextprotocol/sdk/server/mcp.js" : "@modelcontextprotocol/server");

const content = (text) => ({ content: [{ type: "text", text }] });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function build() {
  const capabilities = { logging: {}, resources: { subscribe: true, listChanged: true }, tools: { listChanged: true } };
  const server = new McpServer({ name: "interop", version: "1.2.3" }, { capabilities });
  // Notifications that belong to a request: the two lines have them in different places.
  const tell = (extra, message) => (extra.sendNotification ?? extra.mcpReq?.notify).call(extra, message);
  const token = (extra) => extra._meta?.progressToken ?? extra.mcpReq?._meta?.progressToken;
  server.registerTool("echo", { description: "Écho, 世界", inputSchema: z.object({ text: z.string() }) },
    async ({ text }) => content(text));
  server.registerTool("regional", {
    inputSchema: z.object({ region: z.string().meta({ "x-mcp-header": "Region" }) }) },
    async ({ region }) => content(`in ${region}`));
  server.registerTool("progress", { inputSchema: z.object({ steps: z.number() }) }, async ({ steps }, extra) => {
    for (let step = 1; step <= steps; step++) {
      await tell(extra, { method: "notifications/progress", params: { progressToken: token(extra), progress: step, total: steps } });
      await sleep(5);
    }
    return content("done");
  });
  server.registerTool("fails", { inputSchema: z.object({}) }, async () => { throw new Error("as it should"); });
  server.registerTool("large", { inputSchema: z.object({ size: z.number() }) }, async ({ size }) => content("x".repeat(size)));
  if (kind !== "v2-2026") {
    server.registerTool("ask", { inputSchema: z.object({}) }, async (_, extra) => {
      const request = { method: "elicitation/create", params: {
        message: "Who?", requestedSchema: { type: "object", properties: { name: { type: "string" } } } } };
      const any = z.looseObject({});
      const answer = extra.sendRequest ? await extra.sendRequest(request, any) : await extra.mcpReq.send(request, any);
      return content(JSON.stringify(answer));
    });
    server.registerTool("announce", { inputSchema: z.object({}) }, async () => {
      await server.server.sendToolListChanged();
      return content("announced");
    });
  }
  server.registerTool("slow", { inputSchema: z.object({}) }, async (_, extra) => {
    const signal = extra.signal ?? extra.mcpReq?.signal;
    await new Promise((done) => { signal.addEventListener("abort", done); setTimeout(done, 10000); });
    cancelled += signal.aborted ? 1 : 0;
    return content("too late");
  });
  server.registerResource("note", "note://one", { mimeType: "text/plain" },
    async (uri) => ({ contents: [{ uri: uri.href, text: "a note" }] }));
  server.registerPrompt("greet", { argsSchema: kind === "v1" ? { name: z.string() } : z.object({ name: z.string() }) },
    ({ name }) => ({ messages: [{ role: "user", content: { type: "text", text: `Hello ${name}` } }] }));
  return server;
}

let accepted = null;
let cancelled = 0;
const sessions = new Map();

let modern = null;
if (kind === "v2-2026") {
  const { createMcpHandler } = await import("@modelcontextprotocol/server");
  const { toNodeHandler } = await import("@modelcontextprotocol/node");
  modern = toNodeHandler(createMcpHandler(build, { legacy: "reject", maxRequestBodySize: 20 << 20 }));
}
const Transport = kind === "v1"
  ? (await import("@modelcontextprotocol/sdk/server/streamableHttp.js")).StreamableHTTPServerTransport
  : (await import("@modelcontextprotocol/node")).NodeStreamableHTTPServerTransport;

async function handle(req, res) {
  if (req.url === "/control") {
    let body = "";
    for await (const chunk of req) body += chunk;
    const { token, forget } = JSON.parse(body || "{}");
    if (token !== undefined) accepted = token;
    if (forget) sessions.clear();
    return void res.end(JSON.stringify({ cancelled, sessions: sessions.size }));
  }
  if (accepted !== null && req.headers.authorization !== `Bearer ${accepted}`) {
    res.writeHead(401, { "WWW-Authenticate": 'Bearer error="invalid_token"' });
    return void res.end();
  }
  if (modern) return modern(req, res);
  const id = req.headers["mcp-session-id"];
  if (id !== undefined && !sessions.has(id)) {
    res.writeHead(404, { "Content-Type": "application/json" });
    return void res.end(JSON.stringify({ jsonrpc: "2.0", id: null, error: { code: -32001, message: "Session not found" } }));
  }
  if (id !== undefined) return sessions.get(id).handleRequest(req, res);
  const transport = new Transport({ sessionIdGenerator: randomUUID, onsessioninitialized: (id) => sessions.set(id, transport) });
  transport.onclose = () => sessions.delete(transport.sessionId);
  await build().connect(transport);
  return transport.handleRequest(req, res);
}

const answer = (req, res) => {
  Promise.resolve(handle(req, res)).catch((error) => { console.error(error); res.destroy(); });
};
// TLS names a directory with a key and a certificate.
const directory = process.env.TLS;
const secrets = directory && { key: readFileSync(`${directory}/leaf.key`), cert: readFileSync(`${directory}/leaf.pem`) };
const server = secrets ? createSecureServer(secrets, answer) : createServer(answer);
const scheme = secrets ? "https" : "http";
server.listen(0, "127.0.0.1", () => console.log(`${scheme}://127.0.0.1:${server.address().port}`));
