/** A contender's address, with or without TLS. */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface Endpoint {
  readonly port: number;
  /** PEM of its certificate's CA; absent for plain HTTP. */
  readonly ca: string | undefined;
  /** Local address to connect from. */
  readonly localAddress?: string | undefined;
}

/** The cipher that Go's clients prefer, and so docker and containerd. OpenSSL's prefer one that takes more CPU time. */
export const goCiphers = "TLS_AES_128_GCM_SHA256";

export function dial({ port, ca, localAddress }: Endpoint): Socket {
  const target = { port, host: "127.0.0.1", ...(localAddress !== undefined && { localAddress }) };
  return ca === undefined ? connect(target) : connectTls({ ...target, ca, ciphers: goCiphers });
}

/**
 * Like it, and passes received bytes to `take`, which may pause the socket. Without TLS they are in `buffer`, which all
 * connections may share, because each piece is processed before the next; TLS uses its own buffers.
 */
export function dialInto(endpoint: Endpoint, buffer: Buffer, take: (received: Buffer) => void): Socket {
  if (endpoint.ca !== undefined) return dial(endpoint).on("data", take);
  const callback = (bytes: number): boolean => {
    take(buffer.subarray(0, bytes));
    return true;
  };
  return connect({ port: endpoint.port, host: "127.0.0.1", onread: { buffer, callback } });
}

/** Resolves when a socket from `dial` is writable. */
export function readyEvent({ ca }: Endpoint): "connect" | "secureConnect" {
  return ca === undefined ? "connect" : "secureConnect";
}
