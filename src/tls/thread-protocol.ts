/**
 * What the main thread and the thread that ends TLS say to each other. Bytes never travel here: they go
 * through the local socket, where each connection says which one of the announced ones it is.
 */
import type { MessagePort } from "node:worker_threads";
import type { ClientCertificate } from "../domain/client-certificate.js";
import type { Refusal } from "../lib/connection-counts.js";
import type { ConnectionLimits } from "../lib/connection-limits.js";

/** All as PEM. */
export interface Credentials {
  /** The server's own certificate, and those between it and the root. */
  readonly certificate: string;
  readonly key: string;
  /** Roots of the clients' certificates; none where clients are not asked for one. */
  readonly clientCas: readonly string[];
}

export type MinimumTls = "TLSv1.2" | "TLSv1.3";

/** Whether a client must have a certificate, or only a valid one if it has one. */
export type ClientAuth = "required" | "optional";

/** What the thread is given once, when it starts. */
export interface TlsSetup {
  readonly port: MessagePort;
  readonly address: { readonly host: string; readonly port: number };
  /** Where the plain bytes go. */
  readonly socketPath: string;
  readonly credentials: Credentials;
  readonly minimumTls: MinimumTls;
  readonly clientAuth: ClientAuth;
  readonly limits: ConnectionLimits;
  /** Addresses and ranges whose connections are those of many clients. */
  readonly proxies: readonly string[];
}

export type ToThread =
  /** For connections from now on. */
  | { readonly kind: "use"; readonly credentials: Credentials }
  | { readonly kind: "stop-listening" }
  /** Sends what is under way to the clients, and ends. */
  | { readonly kind: "close" };

export type FromThread =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "failed"; readonly message: string }
  /** Said before the connection's first byte goes to the local socket. */
  | {
      readonly kind: "opened";
      readonly id: ConnectionId;
      /** Of the client. */
      readonly address: string;
      readonly certificate: ClientCertificate | undefined;
    }
  | { readonly kind: "closed"; readonly id: ConnectionId }
  /** Connections refused since this was last said. */
  | { readonly kind: "full"; readonly refused: Readonly<Record<Refusal, number>> }
  /** A client whose certificate is missing or not to be trusted. */
  | { readonly kind: "refused"; readonly address: string; readonly reason: string };

declare const connectionBrand: unique symbol;
/** 16 random bytes, a character each. Whoever knows one can speak in that connection's name; no client is told. */
export type ConnectionId = string & { readonly [connectionBrand]: true };

export function connectionIdOf(bytes: Uint8Array): ConnectionId {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1") as ConnectionId;
}
