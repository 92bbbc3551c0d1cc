"""The TLS front: takes an Entra token as password and passes the connection on to the cluster's socket.

The service checks a token's signature, end and audience, and that the role belongs to the token's identity. No tenant
exists here, so the front checks all but the signature. The directory says which identity has which name.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from emulators import entra_tokens
from emulators.framework.certificates import Certificates
from emulators.framework.servers import listen
from emulators.postgres import wire

AUDIENCE: Final = "https://ossrdbms-aad.database.windows.net"
SIGN_IN_SECONDS: Final = 30.0
_CHUNK: Final = 65_536


class RefusedError(Exception):
    """The connection is refused with this SQLSTATE and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EntraFront:
    """A TLS port of 127.0.0.1 for one cluster.

    Args:
        socket: The cluster's Unix socket.
        certificates: What it serves TLS with.
        directory: The object id of each identity, by the name of its role.
    """

    def __init__(self, socket: Path, certificates: Certificates, directory: Mapping[str, str]) -> None:
        self._socket = socket
        self._directory = dict(directory)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificates.certificate, certificates.key)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0
        self.refusing = False

    async def start(self, port: int = 0) -> None:
        """Listen on `port`; 0 lets the system choose."""
        listener = listen(port)
        self.port = int(listener.getsockname()[1])
        self._server = await asyncio.start_server(self._accept, sock=listener)

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
        await self.cut_connections()

    async def cut_connections(self) -> int:
        """Cut every connection, as a failover does; return how many there were."""
        cut = list(self._connections)
        for connection in cut:
            connection.cancel()
        await asyncio.gather(*cut, return_exceptions=True)
        return len(cut)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SIGN_IN_SECONDS):
                body = await self._sign_in(reader, writer)
        except RefusedError as refused:
            writer.write(wire.fatal(refused.code, str(refused)))
            await writer.drain()
            return
        try:
            upstream_reader, upstream_writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            writer.write(wire.fatal(wire.CANNOT_CONNECT_NOW, "the database system is starting up"))
            await writer.drain()
            return
        upstream_writer.write(wire.startup(body))
        try:
            await asyncio.gather(_pump(reader, upstream_writer), _pump(upstream_reader, writer))
        finally:
            upstream_writer.close()

    async def _sign_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Return the start-up message of a connection that may go on."""
        body = await _startup_of(reader)
        while (code := wire.code_of(body)) in {wire.SSL_REQUEST, wire.GSS_REQUEST}:
            writer.write(b"S" if code == wire.SSL_REQUEST else b"N")
            await writer.drain()
            if code == wire.SSL_REQUEST:
                await writer.start_tls(self._tls)
            body = await _startup_of(reader)
        if writer.get_extra_info("ssl_object") is None:
            raise RefusedError(wire.INVALID_AUTHORIZATION, "no encryption: connect with sslmode=verify-full")
        if code == wire.CANCEL_REQUEST:
            return body
        if self.refusing:
            raise RefusedError(wire.CANNOT_CONNECT_NOW, "the database system is starting up")
        user = wire.parameters(body).get("user", "")
        writer.write(wire.ASK_CLEARTEXT_PASSWORD)
        await writer.drain()
        self._check(user, await _password_of(reader))
        return body

    def _check(self, user: str, password: str) -> None:
        """Raise unless `password` is a token of the identity whose role is `user`."""
        refused = f'password authentication failed for user "{user}": '
        try:
            token = entra_tokens.read(password)
        except ValueError:
            raise RefusedError(wire.SIGN_IN_FAILED, f"{refused}it is not an access token") from None
        if not token.is_for({AUDIENCE}):
            raise RefusedError(wire.SIGN_IN_FAILED, f"{refused}the token is not for {AUDIENCE}")
        if token.ends <= time.time():
            raise RefusedError(wire.SIGN_IN_FAILED, f"{refused}the token has expired")
        owner = self._directory.get(user)
        if owner is None or not token.is_of(None, owner):
            raise RefusedError(wire.SIGN_IN_FAILED, f"{refused}the token is another identity's")


async def _startup_of(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(4))
    if not 8 <= length <= wire.MAX_STARTUP_BYTES:
        raise RefusedError(wire.INVALID_AUTHORIZATION, "not a start-up message of PostgreSQL")
    return await reader.readexactly(length - 4)


async def _password_of(reader: asyncio.StreamReader) -> str:
    kind = await reader.readexactly(1)
    length = int.from_bytes(await reader.readexactly(4))
    if kind != b"p" or not 4 <= length <= wire.MAX_PASSWORD_BYTES:
        raise RefusedError(wire.INVALID_AUTHORIZATION, "expected a password message")
    return (await reader.readexactly(length - 4)).rstrip(b"\0").decode(errors="replace")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction until its end, and close the other side then."""
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.close()
