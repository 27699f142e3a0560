/**
 * The main thread's side of TLS: starts the thread that terminates TLS, and identifies the peer of each connection from it.
 */
import { rm } from "node:fs/promises";
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import type { ClientCertificate } from "../domain/client-certificate.js";
import { assert } from "../lib/assert.js";
import type { Refusal } from "../lib/connection-counts.js";
import { makeSocketFolder, removeAbandonedFolders, socketIn } from "./socket-folder.js";
import type { ConnectionId, Credentials, FromThread, TlsSetup, ToThread } from "./thread-protocol.js";

export interface TlsClient {
  readonly address: string;
  /** The verified certificate; absent if the client has none. */
  readonly certificate: ClientCertificate | undefined;
}

export interface TerminatorOptions<Peer>
  extends Pick<TlsSetup, "minimumTls" | "clientAuth" | "limits" | "proxies"> {
  /** Creates the peer of a client; kept while its connection lasts. */
  readonly peerOf: (client: TlsClient) => Peer;
  /** Called for each client whose certificate is missing or untrusted. */
  readonly onRefused: (address: string, reason: string) => void;
  /** Called when connections were refused because there are too many. */
  readonly onFull: (refusal: Refusal) => void;
}

const threadFile = new URL("../../workers/tls/tls.js", import.meta.url);

interface Thread {
  readonly port: MessagePort;
  readonly ended: Promise<void>;
}

/** A peer and the expiry of its certificate. */
interface Known<Peer> {
  readonly peer: Peer;
  readonly until: number;
}

export class Terminator<Peer> {
  readonly #known = new Map<ConnectionId, Known<Peer>>();
  #credentials: Credentials | undefined;
  #folder: string | undefined;
  #thread: Thread | undefined;
  #starting: { resolve: (port: number) => void; reject: (error: Error) => void } | undefined;

  /** Connections refused because there were too many. */
  readonly refused: Record<Refusal, number> = { total: 0, client: 0 };

  constructor(readonly options: TerminatorOptions<Peer>) {}

  /** Open connections with a finished handshake. */
  get open(): number {
    return this.#known.size;
  }

  /** Sets the credentials for new connections; open ones stay. Call it before `listen`, too. */
  use(credentials: Credentials): void {
    this.#credentials = credentials;
    if (this.#thread !== undefined) this.#tell({ kind: "use", credentials });
  }

  /**
   * Calls `listenLocally` to make the registry listen for the plain bytes, then listens for TLS and resolves with the actual
   * port. Rejects if either cannot listen; close it in that case, too.
   */
  async listen(
    address: TlsSetup["address"],
    listenLocally: (path: string) => Promise<unknown>,
  ): Promise<number> {
    assert(this.#credentials !== undefined, "there are credentials");
    const { minimumTls, clientAuth, limits, proxies } = this.options;
    await removeAbandonedFolders();
    this.#folder = await makeSocketFolder();
    const socketPath = socketIn(this.#folder);
    await listenLocally(socketPath);
    const { port1: own, port2: theirs } = new MessageChannel();
    own.on("message", (message: FromThread) => this.#take(message));
    const credentials = this.#credentials;
    const given = { minimumTls, clientAuth, limits, proxies };
    const setup: TlsSetup = { port: theirs, address, socketPath, credentials, ...given };
    // No error listener: without this thread there is no server, so its errors must end the process.
    const worker = new Worker(threadFile, { workerData: setup, transferList: [theirs], name: "tls" });
    const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    this.#thread = { port: own, ended };
    return new Promise((resolve, reject) => {
      this.#starting = { resolve, reject };
    });
  }

  /** Returns the peer, or `undefined` if the ID is unknown or the client's certificate has expired. */
  peerOf(id: ConnectionId): Peer | undefined {
    const known = this.#known.get(id) ?? this.#announced(id);
    return known === undefined || known.until < Date.now() ? undefined : known.peer;
  }

  /** Reads pending announcements: a connection is announced before its first byte, but the bytes may arrive first. */
  #announced(id: ConnectionId): Known<Peer> | undefined {
    const port = this.#thread?.port;
    if (port === undefined) return undefined;
    for (;;) {
      const received = receiveMessageOnPort(port) as { message: FromThread } | undefined;
      if (received === undefined) return this.#known.get(id);
      this.#take(received.message);
    }
  }

  #take(message: FromThread): void {
    switch (message.kind) {
      case "listening":
        this.#starting?.resolve(message.port);
        break;
      case "failed":
        this.#starting?.reject(new Error(message.message));
        break;
      case "opened": {
        const { id, address, certificate } = message;
        const peer = this.options.peerOf({ address, certificate });
        this.#known.set(id, { peer, until: certificate?.validTo ?? Number.POSITIVE_INFINITY });
        break;
      }
      case "closed":
        this.#known.delete(message.id);
        break;
      case "full":
        for (const refusal of ["total", "client"] as const) {
          if (message.refused[refusal] === 0) continue;
          this.refused[refusal] += message.refused[refusal];
          this.options.onFull(refusal);
        }
        break;
      case "refused":
        this.options.onRefused(message.address, message.reason);
        break;
    }
  }

  stopListening(): void {
    this.#tell({ kind: "stop-listening" });
  }

  /** Call it after the registry has closed its connections. Sends the remaining responses, then closes everything. */
  async close(): Promise<void> {
    if (this.#thread !== undefined) {
      this.#tell({ kind: "close" });
      await this.#thread.ended;
    }
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }

  #tell(message: ToThread): void {
    assert(this.#thread !== undefined, "it listens");
    this.#thread.port.postMessage(message);
  }
}
