// A local MCP server (streamable HTTP, protocol 2025-06-18, answers as plain JSON) for the interop
// test. It serves whoever presents a token that the token endpoint's resource server takes now:
//
//   node server.mjs http://127.0.0.1:PORT/protected
//
// The first line on standard output is its own address. GET /accepted answers with the SHA-256 of the
// tokens of all requests that were served, in their order, and empties that list.

import { createHash } from "node:crypto";
import { createServer } from "node:http";

const resource = process.argv[2];
let accepted = [];

const results = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion: protocolVersion ?? "2025-06-18",
    capabilities: { tools: {} },
    serverInfo: { name: "interop", version: "1.0.0" },
  }),
  ping: () => ({}),
  "tools/list": () => ({
    tools: [{ name: "greet", description: "Says hello", inputSchema: { type: "object", properties: {} } }],
  }),
  "tools/call": () => ({ content: [{ type: "text", text: "hello from interop" }] }),
};

async function isLive(authorization) {
  if (!authorization?.startsWith("Bearer ")) return false;
  const answer = await fetch(resource, { headers: { authorization } });
  return answer.status === 200;
}

function answer(message) {
  if (message.id === undefined) return undefined;
  const result = results[message.method]?.(message.params ?? {});
  const outcome = result ? { result } : { error: { code: -32601, message: "method not found" } };
  return { jsonrpc: "2.0", id: message.id, ...outcome };
}

const server = createServer(async (request, response) => {
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  };
  if (request.url === "/accepted") {
    send(200, accepted);
    accepted = [];
    return;
  }
  let body = "";
  for await (const chunk of request) body += chunk;
  if (!request.url.endsWith("/mcp")) return send(404, {});
  const { authorization } = request.headers;
  if (!(await isLive(authorization))) {
    return send(401, { error: "invalid_token" }, { "www-authenticate": 'Bearer error="invalid_token"' });
  }
  accepted.push(createHash("sha256").update(authorization.slice("Bearer ".length)).digest("hex"));
  if (request.method !== "POST") return send(405, {}, { allow: "POST" });
  const replied = answer(JSON.parse(body));
  if (replied === undefined) return send(202);
  send(200, replied);
});

server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
