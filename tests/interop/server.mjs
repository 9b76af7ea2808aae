// The certified OpenID provider `oidc-provider` on a loopback port of its own, for tests/interop.rs.
//
//   node server.mjs [CERTIFICATE KEY]      with the two PEM files over https, else over http
//
// Prints one line of JSON when it listens: {"issuer", "nested", "admin"}. `nested` is a second issuer
// with a path; `admin` is a plain-http address, on loopback like everything here, where the test makes
// what needs a browser otherwise:
//
//   POST /sign-in {"client_id", "nested"?}  the tokens of a person who signed in as that client
//   GET  /clients                           the clients with their secrets and private keys
//   GET  /events                            how often each of the provider's events has happened
//
// A person who opens an authorization or device page signs in and consents at once (`/decide/UID`). `/mcp` is a
// protected resource whose metadata lead to the first issuer.
//
// ACCESS_TOKEN_SECONDS in the environment is how long an access token lives: an hour where it is not set.
//
// Ends when its standard input does, so that it cannot outlive the test.

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import Provider from 'oidc-provider';

const [certificate, key] = process.argv.slice(2);
const scheme = certificate ? 'https' : 'http';
const NESTED = '/realms/one';

// Everything printable: what is not encoded as RFC 6749 2.3.1 says comes out wrong.
const ODD_SECRET = 'a b+c%20d&e=f:g/h?i#j"k\'l\\m<n>o~p`q{r}s|t^u[v]w@x!y$z*(),;._-';

function pair(type, options, alg) {
  const { publicKey, privateKey } = generateKeyPairSync(type, options);
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: `key-${alg}`, alg, use: 'sig' };
  return { jwk, pem: privateKey.export({ format: 'pem', type: 'pkcs8' }), private: privateKey.export({ format: 'jwk' }) };
}
const rsa = pair('rsa', { modulusLength: 2048 }, 'RS256');
const ec = pair('ec', { namedCurve: 'P-256' }, 'ES256');
const signing = pair('rsa', { modulusLength: 2048 }, 'RS256');

const common = {
  grant_types: ['refresh_token', 'authorization_code', 'client_credentials'],
  redirect_uris: ['https://app.example/callback'],
  response_types: ['code'],
};
const assertion = (keys) => ({
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: keys.jwk.alg,
  jwks: { keys: [keys.jwk] },
});
const CLIENTS = [
  { client_id: 'basic client: 100%', client_secret: ODD_SECRET, token_endpoint_auth_method: 'client_secret_basic' },
  { client_id: 'post', client_secret: ODD_SECRET, token_endpoint_auth_method: 'client_secret_post' },
  { client_id: 'public', token_endpoint_auth_method: 'none', grant_types: ['refresh_token', 'authorization_code'] },
  { client_id: 'rs256', ...assertion(rsa) },
  { client_id: 'es256', ...assertion(ec) },
].map((client) => ({ ...common, ...client }));
const PEMS = { rs256: rsa.pem, es256: ec.pem };

const events = {};

function provider(issuer) {
  const made = new Provider(issuer, {
    clients: CLIENTS,
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    jwks: { keys: [{ ...signing.private, kid: 'signing', alg: 'RS256', use: 'sig' }] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      deviceFlow: { enabled: true },
      registration: { enabled: true },
      registrationManagement: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({ scope: 'mcp', accessTokenFormat: 'opaque' }),
        useGrantedResource: () => true,
      },
      introspection: { enabled: true },
      revocation: { enabled: true },
    },
    // Strict: every refresh replaces the token, and a replaced one that comes again revokes the grant.
    rotateRefreshToken: true,
    issueRefreshToken: () => true,
    scopes: ['openid', 'offline_access', 'mcp'],
    interactions: { url: (_, interaction) => `/decide/${interaction.uid}` },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    cookies: { keys: ['a test'] },
    ttl: { AccessToken: Number(process.env.ACCESS_TOKEN_SECONDS ?? 3600), ClientCredentials: 600, RefreshToken: 86400, Grant: 86400, IdToken: 3600 },
  });
  for (const name of ['grant.success', 'grant.error', 'grant.revoked', 'server_error']) {
    made.on(name, () => { events[name] = (events[name] ?? 0) + 1; });
  }
  return made;
}

async function signIn(at, clientId) {
  const client = await at.Client.find(clientId);
  const grant = new at.Grant({ accountId: 'someone', clientId });
  grant.addOIDCScope('openid offline_access');
  const token = new at.RefreshToken({
    accountId: 'someone',
    client,
    grantId: await grant.save(),
    gty: 'authorization_code',
    scope: 'openid offline_access',
    rotations: 0,
    iiat: Math.floor(Date.now() / 1000),
  });
  return { refresh_token: await token.save() };
}

// The person says yes to everything.
async function decide(at, request, response) {
  const { prompt, params, session, grantId } = await at.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return at.interactionFinished(request, response, { login: { accountId: 'someone' } });
  }
  const { accountId } = session;
  const grant = grantId ? await at.Grant.find(grantId) : new at.Grant({ accountId, clientId: params.client_id });
  const { missingOIDCScope, missingResourceScopes } = prompt.details;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(' '));
  }
  const consent = { grantId: await grant.save() };
  return at.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

// A protected resource, and its metadata (RFC 9728).
async function protect(request, response) {
  const server = `${issuer}/mcp`;
  response.setHeader('content-type', 'application/json');
  if (request.url !== '/mcp') {
    const metadata = { resource: server, authorization_servers: [issuer], scopes_supported: ['openid', 'offline_access', 'mcp'] };
    return response.end(JSON.stringify(metadata));
  }
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  const found = token && await root.AccessToken.find(token);
  if (!found || found.aud !== server) {
    const metadata = `${issuer}/.well-known/oauth-protected-resource/mcp`;
    response.statusCode = 401;
    response.setHeader('www-authenticate', `Bearer resource_metadata="${metadata}"`);
  }
  return response.end('{}');
}

function listen(server) {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server.address().port));
  });
}

let handlers = {};
function serve(request, response) {
  if (request.url.startsWith('/decide/')) {
    return decide(root, request, response).catch((error) => response.writeHead(500).end(String(error)));
  }
  if (request.url === '/mcp' || request.url.startsWith('/.well-known/oauth-protected-resource')) {
    return protect(request, response);
  }
  if (request.url.startsWith(`${NESTED}/`)) {
    request.originalUrl = request.url;
    request.url = request.url.slice(NESTED.length);
    handlers.nested(request, response);
  } else {
    handlers.root(request, response);
  }
}
const server = certificate
  ? https.createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, serve)
  : http.createServer(serve);
const issuer = `${scheme}://127.0.0.1:${await listen(server)}`;
const root = provider(issuer);
const nested = provider(issuer + NESTED);
handlers = { root: root.callback(), nested: nested.callback() };

const admin = http.createServer(async (request, response) => {
  let body = '';
  for await (const part of request) body += part;
  const asked = body ? JSON.parse(body) : {};
  let answer = {};
  if (request.url === '/sign-in') answer = await signIn(asked.nested ? nested : root, asked.client_id);
  if (request.url === '/clients') answer = CLIENTS.map((client) => ({ ...client, private_key: PEMS[client.client_id] }));
  if (request.url === '/events') answer = events;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(answer));
});
const adminPort = await listen(admin);

// The test reads one line; what the provider has to say later goes nowhere.
process.stdout.on('error', () => {});
process.stdin.on('end', () => process.exit(0)).resume();
console.log(JSON.stringify({ issuer, nested: issuer + NESTED, admin: `http://127.0.0.1:${adminPort}` }));
