// A proxy in front of a registry that causes difficulties: asks for logins, redirects, breaks connections. A request without
// a response from a hook is forwarded unchanged.

import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after } from "node:test";

/** Whether it has responded. */
export type Hook = (incoming: IncomingMessage, response: ServerResponse) => boolean;

export interface Front {
  readonly url: string;
  readonly host: string;
  /** Every request received, as `METHOD path`. */
  readonly requests: string[];
  /** `Authorization` headers received. */
  readonly authorizations: string[];
}

export interface FrontOptions {
  readonly hook?: Hook;
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** Call it in a test or at the top of its file; it ends with the file. */
export async function frontOf(
  target: string,
  { hook = () => false, tls }: FrontOptions = {},
): Promise<Front> {
  const requests: string[] = [];
  const authorizations: string[] = [];
  const listener = (incoming: IncomingMessage, response: ServerResponse): void => {
    requests.push(`${incoming.method} ${incoming.url}`);
    if (incoming.headers.authorization !== undefined) authorizations.push(incoming.headers.authorization);
    if (hook(incoming, response)) return;
    const { hostname, port } = new URL(target);
    const { authorization, host, ...headers } = incoming.headers;
    const outgoing = request(
      { hostname, port, method: incoming.method, path: incoming.url, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      },
    );
    outgoing.on("error", () => response.destroy());
    incoming.pipe(outgoing);
  };
  const server: Server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const host = `127.0.0.1:${port}`;
  return { url: `${tls === undefined ? "http" : "https"}://${host}`, host, requests, authorizations };
}

/** A token server that issues the tokens `token-1`, `token-2` and so on. */
export async function tokenServer(): Promise<Front & { readonly tokens: string[] }> {
  const tokens: string[] = [];
  const front = await frontOf("http://127.0.0.1:1", {
    hook: (_, response) => {
      tokens.push(`token-${tokens.length + 1}`);
      response.end(JSON.stringify({ token: tokens.at(-1) }));
      return true;
    },
  });
  return { ...front, tokens };
}
