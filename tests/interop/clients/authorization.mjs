// A protected MCP server and its authorization server, both made with the official SDK, whose demo provider issues
// the tokens. The demo knows no refresh tokens; the provider here adds them: each is taken once.
//
//   node authorization.mjs SECONDS        how long an access token lives
//
// The first line on standard output is JSON: {"server": the MCP server's address, "admin": one that answers with
// {"rotations", "reuses"}}. It ends when its standard input does.

import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import express from "express";
import { z } from "zod";
import { DemoInMemoryAuthProvider } from "@modelcontextprotocol/sdk/examples/server/demoInMemoryOAuthProvider.js";
import { InvalidGrantError } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { createOAuthMetadata, mcpAuthMetadataRouter, mcpAuthRouter } from "@modelcontextprotocol/sdk/server/auth/router.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";

const life = Number(process.argv[2]);
const counts = { rotations: 0, reuses: 0 };

class Rotating extends DemoInMemoryAuthProvider {
  refreshTokens = new Map();

  issue(clientId, scopes, resource) {
    const [access, refresh] = [randomUUID(), randomUUID()];
    const expiresAt = Date.now() + life * 1000;
    this.tokens.set(access, { token: access, clientId, scopes, expiresAt, resource, type: "access" });
    this.refreshTokens.set(refresh, { clientId, scopes, resource });
    return { access_token: access, token_type: "bearer", expires_in: life, scope: scopes.join(" "), refresh_token: refresh };
  }

  async exchangeAuthorizationCode(client, code, verifier) {
    const { access_token: token } = await super.exchangeAuthorizationCode(client, code, verifier);
    const { scopes, resource } = this.tokens.get(token);
    this.tokens.delete(token);
    return this.issue(client.client_id, scopes, resource);
  }

  async exchangeRefreshToken(client, token) {
    const known = this.refreshTokens.get(token);
    if (!known || known.clientId !== client.client_id) {
      counts.reuses += 1;
      throw new InvalidGrantError("no such refresh token");
    }
    this.refreshTokens.delete(token);
    counts.rotations += 1;
    return this.issue(known.clientId, known.scopes, known.resource);
  }
}

async function listen(app) {
  const server = createServer(app);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return new URL(`http://127.0.0.1:${server.address().port}`);
}

const authorization = express();
const issuerUrl = await listen(authorization);
const resources = express();
const serverUrl = new URL("/mcp", await listen(resources));
const provider = new Rotating((resource) => String(resource) === String(serverUrl));
const served = { provider, issuerUrl, scopesSupported: ["mcp:tools"] };
authorization.use(mcpAuthRouter({ ...served, tokenOptions: { rateLimit: false } }));

const oauthMetadata = createOAuthMetadata(served);
resources.use(mcpAuthMetadataRouter({ oauthMetadata, resourceServerUrl: serverUrl, scopesSupported: ["mcp:tools"] }));
const guard = requireBearerAuth({
  verifier: provider,
  resourceMetadataUrl: new URL("/.well-known/oauth-protected-resource/mcp", serverUrl).href,
});
resources.all("/mcp", guard, express.json(), async (request, response) => {
  const server = new McpServer({ name: "protected", version: "1.0.0" });
  server.registerTool("greet", { inputSchema: { name: z.string() } }, async ({ name }) => ({
    content: [{ type: "text", text: `hello ${name}` }],
  }));
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  response.on("close", () => transport.close());
  await server.connect(transport);
  await transport.handleRequest(request, response, request.body);
});

const admin = await listen((request, response) => response.end(JSON.stringify(counts)));
process.stdin.on("end", () => process.exit()).resume();
console.log(JSON.stringify({ server: serverUrl.href, admin: admin.href }));
