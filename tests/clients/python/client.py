"""The official Python SDK as a caller: lists tools, calls one, and watches its progress.

Usage: client.py URL ERA TOOL ARGUMENTS
ERA is `legacy` (a session, by `initialize`) or a revision without sessions such as `2026-07-28`.
The bearer token comes from the environment variable TOKEN; empty or missing: none is sent.
Prints one line of JSON; an error is a member `error` in it, and exit code 1.
"""

import asyncio
import json
import os
import sys
import time

from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

TIME_LIMIT_SECONDS = 30


async def tour(url: str, era: str, tool: str, arguments: dict) -> dict:
    token = os.environ.get("TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    progress = []

    async def on_progress(done: float, total: float | None, message: str | None) -> None:
        progress.append({"done": done, "total": total, "at_ms": round(time.monotonic() * 1000)})

    async with create_mcp_http_client(headers=headers) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=era, read_timeout_seconds=TIME_LIMIT_SECONDS) as client:
            tools = await client.list_tools()
            result = await client.call_tool(tool, arguments, progress_callback=on_progress)
            return {
                "protocol": client.protocol_version,
                "tools": [tool.name for tool in tools.tools],
                "text": "".join(part.text for part in result.content if part.type == "text"),
                "is_error": bool(result.is_error),
                "progress": progress,
                "ended_at_ms": round(time.monotonic() * 1000),
            }


def innermost(error: BaseException) -> BaseException:
    """Task groups wrap what happened."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


async def bounded(*arguments) -> dict:
    async with asyncio.timeout(TIME_LIMIT_SECONDS):
        return await tour(*arguments)


def main() -> int:
    url, era, tool, arguments = sys.argv[1:5]
    try:
        seen = asyncio.run(bounded(url, era, tool, json.loads(arguments)))
    except Exception as error:  # whatever it is, the caller wants to read it
        cause = innermost(error)
        seen = {"error": f"{type(cause).__name__}: {cause}"}
    print(json.dumps(seen))
    return 1 if "error" in seen else 0


if __name__ == "__main__":
    sys.exit(main())
