/** Finds out why the server cannot listen on an address: uWebSockets.js gives no reason, so Node's own server tries it too. */
import { createServer } from "node:net";

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
