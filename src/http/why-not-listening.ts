/** Finds out why the server cannot listen on an address: uWebSockets.js gives no reason, so Node's own server tries it too. */
import { createServer } from "node:net";

/** Resolves with a port on which nothing listens, `port` unless it is 0. Rejects if something does, or nobody may. */
export function freePort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : port));
    });
  });
}

export function whyNotListening(host: string, port: number): Promise<Error> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", resolve);
    server.once("listening", () =>
      server.close(() => resolve(new Error("the address was in use a moment ago"))),
    );
    server.listen({ host, port, exclusive: true });
  });
}
