"""The authorization server of the official MCP Python SDK: routes, client authentication and metadata are the SDK's.

The provider below only keeps what the SDK asks it to keep: clients, codes and tokens, in one file, so that they
outlive a restart. Its refresh tokens rotate, and one that comes a second time ends its sign-in.

mcp_sdk.py STATE PORT
"""

import json
import os
import secrets
import sys
import time
from pathlib import Path

import uvicorn
from mcp.server.auth.provider import AccessToken, AuthorizationCode, RefreshToken, construct_redirect_uri
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.routes import create_auth_routes, create_protected_resource_routes
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

import serve

LIFE = 600


class Provider:
    def __init__(self, path):
        self.path = path
        self.codes = {}
        self.kept = {"clients": {}, "access": {}, "refresh": {}, "grants": 0, "reuses": 0}
        if path.exists():
            self.kept = json.loads(path.read_text())

    def keep(self):
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.kept))
        os.replace(new, self.path)

    async def get_client(self, client_id):
        known = self.kept["clients"].get(client_id)
        return OAuthClientInformationFull.model_validate(known) if known else None

    async def register_client(self, client_info):
        self.kept["clients"][client_info.client_id] = client_info.model_dump(mode="json", exclude_none=True)
        self.keep()

    async def authorize(self, client, params):
        code = secrets.token_urlsafe(32)
        self.codes[code] = AuthorizationCode(
            code=code,
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        return construct_redirect_uri(str(params.redirect_uri), code=code, state=params.state)

    async def load_authorization_code(self, client, authorization_code):
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(self, client, authorization_code):
        del self.codes[authorization_code.code]
        return self.issue(client.client_id, authorization_code.scopes, secrets.token_hex(8))

    async def load_refresh_token(self, client, refresh_token):
        known = self.kept["refresh"].get(refresh_token)
        if known is None:
            return None
        if known["spent"]:
            self.kept["reuses"] += 1
            for kind in ("refresh", "access"):
                tokens = self.kept[kind]
                self.kept[kind] = {name: one for name, one in tokens.items() if one["sign_in"] != known["sign_in"]}
            self.keep()
            return None
        return RefreshToken(token=refresh_token, client_id=known["client_id"], scopes=known["scopes"])

    async def exchange_refresh_token(self, client, refresh_token, scopes):
        known = self.kept["refresh"][refresh_token.token]
        known["spent"] = True
        self.kept["grants"] += 1
        return self.issue(client.client_id, scopes, known["sign_in"])

    async def verify_token(self, token):
        return await self.load_access_token(token)

    async def load_access_token(self, token):
        known = self.kept["access"].get(token)
        return AccessToken(token=token, client_id=known["client_id"], scopes=known["scopes"]) if known else None

    async def revoke_token(self, token):
        self.kept["access"].pop(token.token, None)
        self.kept["refresh"].pop(token.token, None)
        self.keep()

    def issue(self, client_id, scopes, sign_in):
        access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        known = {"client_id": client_id, "scopes": scopes, "sign_in": sign_in}
        self.kept["access"][access] = known
        self.kept["refresh"][refresh] = {**known, "spent": False}
        self.keep()
        return OAuthToken(access_token=access, refresh_token=refresh, expires_in=LIFE, scope=" ".join(scopes))


def main():
    provider = Provider(Path(sys.argv[1]) / "mcp_sdk.json")
    listener = serve.listen(int(sys.argv[2]))
    issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"

    async def counts(request):
        token = await provider.load_access_token(request.query_params.get("token", ""))
        kept = provider.kept
        return JSONResponse({"grants": kept["grants"], "reuses": kept["reuses"], "good": token is not None})

    routes = create_auth_routes(
        provider,
        AnyHttpUrl(issuer),
        client_registration_options=ClientRegistrationOptions(enabled=True),
        revocation_options=RevocationOptions(enabled=True),
    )
    # An MCP server that wants a token, in the SDK's own way: its challenge and its metadata lead to the issuer.
    server = AnyHttpUrl(f"{issuer}/mcp")
    routes += create_protected_resource_routes(server, [AnyHttpUrl(issuer)], ["user"])
    metadata = AnyHttpUrl(f"{issuer}/.well-known/oauth-protected-resource/mcp")
    welcome = RequireAuthMiddleware(JSONResponse({"jsonrpc": "2.0", "id": 1, "result": {}}), ["user"], metadata)
    routes.append(Route("/mcp", welcome))
    authentication = Middleware(AuthenticationMiddleware, backend=BearerAuthBackend(provider))
    app = Starlette(routes=[*routes, Route("/counts", counts)], middleware=[authentication])
    serve.end_with_standard_input()
    serve.say(base=issuer, server=str(server), token_endpoint=f"{issuer}/token")
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


main()
