/**
 * The thread that terminates TLS: performs handshakes, checks client certificates and relays plain bytes to the registry in the
 * main thread. Expensive handshakes cost this thread's time, not the registry's.
 */
import { createServer, type TLSSocket, type TlsOptions } from "node:tls";
import { workerData } from "node:worker_threads";
import type { ClientCertificate } from "../../src/domain/client-certificate.js";
import type { Credentials, FromThread, TlsSetup, ToThread } from "../../src/tls/thread-protocol.js";
import { connectionIdOf } from "../../src/tls/thread-protocol.js";
import { certificateRefused, tlsWanted } from "./answers.js";
import { ClientConnection } from "./client-connection.js";
import { Doorkeeper, plainAddress } from "./doorkeeper.js";
import { Handshakes } from "./handshakes.js";
import { shownBy } from "./peer-certificate.js";
import { newProxyHeader } from "./proxy-header.js";
import { relay } from "./relay.js";

/** Connections waiting to be accepted; the kernel has its own limit beside. */
const backlog = 4096;

/** Unfinished handshakes. In a flood of silent connections, the flood displaces its own. */
const handshakesMax = 1024;

const handshakeMillisecondsMax = 10_000;

/** Bytes that clients have not read by then are dropped. */
const closeMillisecondsMax = 5_000;

const { port, address, socketPath, credentials, minimumTls, clientAuth, limits, proxies } =
  workerData as TlsSetup;
const doorkeeper = new Doorkeeper(limits, proxies, (refused) => say({ kind: "full", refused }));
const asksClients = credentials.clientCas.length > 0;
const handshakes = new Handshakes(handshakesMax);
const clients = new Set<ClientConnection>();

const server = createServer({
  ...contextOf(credentials),
  ALPNProtocols: ["http/1.1"],
  handshakeTimeout: handshakeMillisecondsMax,
  requestCert: asksClients,
  // A client without a valid certificate gets a response instead of a closed connection: see `onClient`.
  rejectUnauthorized: false,
  noDelay: true,
  keepAlive: true,
});
server.on("connection", (socket) => {
  if (doorkeeper.admit(socket)) handshakes.begin(socket);
});
server.on("secureConnection", (socket) => {
  handshakes.end(socket);
  onClient(socket);
});
server.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
  const below = handshakes.end(socket);
  if (error.code === "ERR_SSL_HTTP_REQUEST" && below !== undefined)
    below.end(tlsWanted, () => socket.destroy());
  else socket.destroy();
});
server.on("error", (error) => say({ kind: "failed", message: error.message }));
server.listen({ ...address, backlog }, () => {
  const bound = server.address();
  if (bound !== null && typeof bound === "object") say({ kind: "listening", port: bound.port });
});

port.on("message", (message: ToThread) => {
  if (message.kind === "use") server.setSecureContext(contextOf(message.credentials));
  else if (message.kind === "stop-listening") server.close();
  else void close();
});

function say(message: FromThread): void {
  port.postMessage(message);
}

function contextOf({ certificate, key, clientCas }: Credentials): TlsOptions {
  return {
    cert: certificate,
    key,
    minVersion: minimumTls,
    ...(clientCas.length > 0 && { ca: [...clientCas] }),
  };
}

function onClient(socket: TLSSocket): void {
  const client = new ClientConnection(socket);
  clients.add(client);
  void client.closed.then(() => clients.delete(client));
  const from = plainAddress(socket.remoteAddress ?? "");
  const shown = shownBy(socket, asksClients ? clientAuth : undefined);
  if (shown.kind === "refused") void refuse(client, from, shown.reason);
  else void admit(client, from, shown.certificate);
}

async function refuse(client: ClientConnection, address: string, reason: string): Promise<void> {
  say({ kind: "refused", address, reason });
  const asked = await client.firstLine();
  if (asked === undefined) return;
  client.socket.write(certificateRefused(reason));
  client.sayGoodbye();
}

async function admit(
  client: ClientConnection,
  address: string,
  certificate: ClientCertificate | undefined,
): Promise<void> {
  const { header, id: bytes } = newProxyHeader();
  const id = connectionIdOf(bytes);
  say({ kind: "opened", id, address, certificate });
  await relay(client, { socketPath, header });
  say({ kind: "closed", id });
}

/** Called when the main thread accepts no more and has closed its connections. */
async function close(): Promise<void> {
  server.close();
  handshakes.dropAll();
  const late = setTimeout(() => {
    for (const { socket } of clients) socket.destroy();
  }, closeMillisecondsMax);
  for (const client of clients) client.hurry();
  await Promise.all([...clients].map(({ closed }) => closed));
  clearTimeout(late);
  port.close();
}
