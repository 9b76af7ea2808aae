"""An MCP server made with the official Python SDK, which lets in one token.

bridge_server.py TOKEN
"""

import asyncio
import sys

import anyio
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel
from starlette.responses import Response

import serve

server = MCPServer("interop", version="1.2.3", log_level="WARNING")


class Person(BaseModel):
    name: str


@server.tool(description="Écho, 世界")
def echo(text: str) -> str:
    return text


@server.tool()
async def progress(steps: int, ctx: Context) -> str:
    for step in range(1, steps + 1):
        await ctx.report_progress(step, steps)
        await anyio.sleep(0.005)
    return "done"


@server.tool()
def fails() -> str:
    raise ValueError("as it should")


@server.tool()
def large(size: int) -> str:
    return "x" * size


@server.tool()
async def ask(ctx: Context) -> str:
    answer = await ctx.elicit("Who?", Person)
    return answer.model_dump_json()


@server.tool()
async def slow() -> str:
    await anyio.sleep(10)
    return "too late"


@server.resource("note://one", mime_type="text/plain")
def note() -> str:
    return "a note"


@server.prompt()
def greet(name: str) -> str:
    return f"Hello {name}"


def main():
    token = sys.argv[1].encode()
    app = server.streamable_http_app()

    async def guarded(scope, receive, send):
        if scope["type"] == "http" and dict(scope["headers"]).get(b"authorization") != b"Bearer " + token:
            return await Response(status_code=401)(scope, receive, send)
        return await app(scope, receive, send)

    listener = serve.listen(0)
    serve.end_with_standard_input()
    serve.say(url=f"http://127.0.0.1:{listener.getsockname()[1]}/mcp")
    asyncio.run(uvicorn.Server(uvicorn.Config(guarded, log_level="warning")).serve(sockets=[listener]))


main()
