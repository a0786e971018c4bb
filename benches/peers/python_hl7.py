"""python-hl7 (`hl7.mllp`, asyncio) as an MLLP server: PORT MODE FILE."""

import asyncio
import os
import sys

import hl7.mllp

PORT, MODE, PATH = int(sys.argv[1]), sys.argv[2], sys.argv[3]
FILE = None if MODE == "ack" else os.open(PATH, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
waiting = []


def append(data):
    os.write(FILE, data)
    os.fdatasync(FILE)


async def write_groups():
    """Until nobody waits: one append and one fdatasync for all that do."""
    loop = asyncio.get_running_loop()
    while waiting:
        group = waiting.copy()
        waiting.clear()
        await loop.run_in_executor(None, append, b"".join(data for data, _ in group))
        for _, kept in group:
            kept.set_result(None)
    keep.writer = None


async def keep(data):
    """Nothing (`ack`), an append and an fdatasync of its own (`each`), or one for all that wait (`group`)."""
    if MODE == "ack":
        return
    loop = asyncio.get_running_loop()
    if MODE == "each":
        await loop.run_in_executor(None, append, data)
        return
    kept = loop.create_future()
    waiting.append((data, kept))
    if keep.writer is None:
        keep.writer = loop.create_task(write_groups())
    await kept


keep.writer = None


async def serve(reader, writer):
    try:
        while True:
            message = await reader.readmessage()
            await keep(str(message).encode())
            writer.writemessage(message.create_ack())
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await hl7.mllp.start_hl7_server(serve, "127.0.0.1", PORT, backlog=512)
    async with server:
        await server.serve_forever()


asyncio.run(main())
