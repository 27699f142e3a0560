/**
 * Runs on the test's machine: `clear-text-there.js ADDRESS TARGET FILE`. Forwards port 443 to the port TARGET of this
 * machine, and accepts port 80. Writes the bytes of each connection that does not start as TLS to FILE.
 */
import { appendFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";

const [address = "", target = "", file = ""] = process.argv.slice(2);

/** The first byte of a TLS record with a handshake. */
const handshake = 0x16;

function watch(socket: Socket, port: number): void {
  socket.on("error", () => socket.destroy());
  socket.once("data", (chunk) => {
    if (chunk[0] !== handshake) appendFileSync(file, `${port}: ${chunk.toString("latin1", 0, 2000)}\n`);
  });
}

createServer((socket) => {
  watch(socket, 443);
  const onwards = connect({ host: "127.0.0.1", port: Number(target) });
  onwards.on("error", () => socket.destroy());
  onwards.on("close", () => socket.destroy());
  socket.on("close", () => onwards.destroy());
  socket.pipe(onwards).pipe(socket);
}).listen(443, address);

createServer((socket) => {
  watch(socket, 80);
  socket.once("data", () =>
    socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
  );
}).listen(80, address);
