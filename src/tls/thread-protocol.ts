/**
 * The protocol between the main thread and the TLS thread. Payload goes through the local socket instead, where each
 * connection identifies itself as one of the announced ones.
 */
import type { MessagePort } from "node:worker_threads";
import type { ClientCertificate } from "../domain/client-certificate.js";
import type { Refusal } from "../lib/connection-counts.js";
import type { ConnectionLimits } from "../lib/connection-limits.js";

/** All as PEM. */
export interface Credentials {
  /** The server's certificate and the intermediate certificates. */
  readonly certificate: string;
  readonly key: string;
  /** Roots of client certificates; empty if none are requested. */
  readonly clientCas: readonly string[];
}

export type MinimumTls = "TLSv1.2" | "TLSv1.3";

/** Whether a client must present a certificate, or may omit it. */
export type ClientAuth = "required" | "optional";

/** The thread's start parameters. */
export interface TlsSetup {
  readonly port: MessagePort;
  /** With `reusePort`, other processes may listen there, too, from Node 22.12 on. */
  readonly address: { readonly host: string; readonly port: number; readonly reusePort: boolean };
  /** Path of the local socket for the plain bytes. */
  readonly socketPath: string;
  readonly credentials: Credentials;
  readonly minimumTls: MinimumTls;
  readonly clientAuth: ClientAuth;
  readonly limits: ConnectionLimits;
  /** Addresses and ranges of proxies, whose connections belong to many clients. */
  readonly proxies: readonly string[];
}

export type ToThread =
  /** Sets the credentials for new connections. */
  | { readonly kind: "use"; readonly credentials: Credentials }
  | { readonly kind: "stop-listening" }
  /** Sends pending bytes to the clients, then ends. */
  | { readonly kind: "close" };

export type FromThread =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "failed"; readonly message: string }
  /** Sent before the connection's first byte goes to the local socket. */
  | {
      readonly kind: "opened";
      readonly id: ConnectionId;
      /** The client's address. */
      readonly address: string;
      readonly certificate: ClientCertificate | undefined;
    }
  | { readonly kind: "closed"; readonly id: ConnectionId }
  /** Connections refused since the last such message. */
  | { readonly kind: "full"; readonly refused: Readonly<Record<Refusal, number>> }
  /** A client whose certificate is missing or untrusted. */
  | { readonly kind: "refused"; readonly address: string; readonly reason: string };

declare const connectionBrand: unique symbol;
/** 16 random bytes, one character each. It is secret: a client that knew one could impersonate that connection. */
export type ConnectionId = string & { readonly [connectionBrand]: true };

export function connectionIdOf(bytes: Uint8Array): ConnectionId {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1") as ConnectionId;
}
