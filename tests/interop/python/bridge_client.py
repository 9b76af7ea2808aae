"""Tries every feature with the official Python SDK and prints each message that the client sent and got, as JSON lines.

bridge_client.py MODE URL TOKEN             directly
bridge_client.py MODE -- PROGRAM ARGUMENT…  through a program

MODE: `legacy` (the handshake of 2025) or `2026-07-28`.
"""

import json
import os
import sys
from contextlib import asynccontextmanager

import anyio
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult, PromptReference


def say(way, message):
    print(json.dumps({"way": way, "message": message}), flush=True)


def shown(item):
    return item.message.model_dump(by_alias=True, mode="json", exclude_unset=True)


@asynccontextmanager
async def overheard(transport):
    """The same transport, with each message printed."""
    async with transport as (from_server, to_server), anyio.create_task_group() as tasks:
        to_client, read = anyio.create_memory_object_stream(0)
        write, from_client = anyio.create_memory_object_stream(0)

        async def down():
            async with to_client:
                async for item in from_server:
                    if not isinstance(item, Exception):
                        say("got", shown(item))
                    try:
                        await to_client.send(item)
                    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                        return  # A message that comes after the client's end has no reader.

        async def up():
            async with to_server:
                async for item in from_client:
                    say("sent", shown(item))
                    await to_server.send(item)

        tasks.start_soon(down)
        tasks.start_soon(up)
        yield read, write
        tasks.cancel_scope.cancel()


async def tried(call):
    try:
        return await call
    except Exception as error:  # What it is, is in the messages.
        return error


async def ignore(*_):
    pass


async def features(client, legacy):
    await client.list_tools()
    await client.call_tool("echo", {"text": "Écho \u0001 世界 😀 \\ \" \n line"})
    await client.call_tool("progress", {"steps": 5}, progress_callback=ignore)
    await tried(client.call_tool("fails", {}))
    await client.call_tool("large", {"size": 200_000})
    await tried(client.call_tool("nosuch", {}))
    await client.list_resources()
    await client.list_resource_templates()
    await client.read_resource("note://one")
    await tried(client.read_resource("note://none"))
    await client.list_prompts()
    await client.get_prompt("greet", {"name": "Zoë"})
    await tried(client.complete(PromptReference(name="greet"), {"name": "name", "value": "Z"}))
    for index in range(10):
        await client.call_tool("echo", {"text": str(index)})
    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(client.call_tool, "echo", {"text": "at once"})
    if legacy:
        await client.session.send_ping()
        await tried(client.set_logging_level("info"))
        await client.call_tool("ask", {})
        await client.send_roots_list_changed()
    with anyio.move_on_after(0.3):
        await client.call_tool("slow", {})
    await client.call_tool("echo", {"text": "last"})


async def main():
    mode, where, *rest = sys.argv[1:]
    legacy = mode == "legacy"

    async def elicited(*_):
        return ElicitResult(action="accept", content={"name": "Ada"})

    if where == "--":
        program = StdioServerParameters(command=rest[0], args=rest[1:], env=dict(os.environ))
        transport = stdio_client(program)
    else:
        http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {rest[0]}"}, timeout=30)
        transport = streamable_http_client(where, http_client=http)
    async with Client(overheard(transport), mode=mode, elicitation_callback=elicited, cache=None) as client:
        await features(client, legacy)
        say("done", None)


anyio.run(main)
