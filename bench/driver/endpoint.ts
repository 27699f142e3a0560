/** Where a contender answers, by TLS or without. */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface Endpoint {
  readonly port: number;
  /** PEM of the CA that has signed its certificate; absent where it speaks plain HTTP. */
  readonly ca: string | undefined;
  /** Address of this machine to connect from. */
  readonly localAddress?: string | undefined;
}

export function dial({ port, ca, localAddress }: Endpoint): Socket {
  const target = { port, host: "127.0.0.1", ...(localAddress !== undefined && { localAddress }) };
  return ca === undefined ? connect(target) : connectTls({ ...target, ca });
}

/**
 * The same, with what is received handed to `take`, which may pause the socket. Without TLS it comes in `buffer`,
 * one that all may share, since each piece is dealt with before the next; what TLS has deciphered comes in its own.
 */
export function dialInto(endpoint: Endpoint, buffer: Buffer, take: (received: Buffer) => void): Socket {
  if (endpoint.ca !== undefined) return dial(endpoint).on("data", take);
  const callback = (bytes: number): boolean => {
    take(buffer.subarray(0, bytes));
    return true;
  };
  return connect({ port: endpoint.port, host: "127.0.0.1", onread: { buffer, callback } });
}

/** What `dial` gives says so when it can be written to. */
export function readyEvent({ ca }: Endpoint): "connect" | "secureConnect" {
  return ca === undefined ? "connect" : "secureConnect";
}
