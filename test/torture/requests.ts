// The requests of a push, each entered in the ledger when it is sent and when it is acknowledged. A response that the server
// may not give, and a failed connection while it should live, are violations.

import { request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { type Answer, Client, type RequestOptions, withQuery } from "../support/client.js";
import type { Blob } from "../support/content.js";
import { keys, type Ledger, type Operation, present, type Write } from "./ledger.js";
import type { OpenSession, Sessions } from "./sessions.js";
import type { PushedManifest, Universe } from "./universe.js";
import type { Violations } from "./violations.js";

/** The state of a server's life that clients need. */
export interface Life {
  readonly url: string;
  /** The server was killed: requests may fail from now on. */
  over: boolean;
  /** Connections may fail, and requests may get one of `unavailable`, because parts of a cluster fail. */
  readonly mayFail?: boolean;
  /** A connection is reset only when the process that accepted it has ended, and with it all requests on it. */
  readonly endsWithConnection?: boolean;
  /** Called for each request and response, at which a planned kill may happen. */
  onEvent(): void;
}

/** The server disappeared during a request, or could not answer it. */
export class Gone extends Error {}

/** The process that performed a request has ended, and the server lives. */
class Lost extends Gone {}

/** Statuses by which a cluster, or the balancer before it, may say that a part of it fails. */
const unavailable: readonly number[] = [502, 503, 504];

export class Requests {
  constructor(
    readonly life: Life,
    readonly universe: Universe,
    readonly ledger: Ledger,
    readonly sessions: Sessions,
    readonly violations: Violations,
    readonly client = new Client(life.url, Number.POSITIVE_INFINITY),
  ) {}

  /** Sends a write, and returns whether it succeeded; the other status is a permitted refusal. */
  async #write(
    writes: readonly Write[],
    [method, path, options]: [string, string, RequestOptions?],
    done: number,
    refused: readonly number[] = [],
    /** Whether another process may perform it, which goes on if the one that accepted it ends. */
    mayGoOn = false,
  ): Promise<boolean> {
    const operation = this.ledger.begin(writes);
    const sent = this.send(method, path, options);
    const answer = await (mayGoOn ? sent : this.#performed(operation, sent));
    if (answer.status === done) operation.acknowledge();
    else if (refused.includes(answer.status)) operation.reject();
    else
      this.#wrong(
        `${method} ${path} got ${answer.status}: ${answer.body.toString().slice(0, 300)}`,
        answer.status,
      );
    return answer.status === done;
  }

  async #performed(operation: Operation, sent: Promise<Answer>): Promise<Answer> {
    try {
      return await sent;
    } catch (error) {
      if (error instanceof Lost) operation.lost();
      throw error;
    }
  }

  async send(method: string, path: string, options?: RequestOptions): Promise<Answer> {
    if (this.life.over) throw new Gone();
    const sent = this.client.request(method, path, options);
    this.life.onEvent();
    return this.#answer(`${method} ${path}`, sent);
  }

  async #answer<T>(what: string, sent: Promise<T>): Promise<T> {
    try {
      const answer = await sent;
      this.life.onEvent();
      return answer;
    } catch (error) {
      if (!this.life.over && this.life.mayFail !== true)
        this.violations.add(`${what} failed while the server lived: ${String(error)}`);
      const isReset = (error as NodeJS.ErrnoException).code === "ECONNRESET";
      if (isReset && !this.life.over && this.life.endsWithConnection === true) throw new Lost();
      throw new Gone();
    }
  }

  /** Whether a request may get this status instead of the one that it should get. */
  mayGet(status: number): boolean {
    // While the storage is removed from under the server, any failure is permitted.
    return this.life.over || (this.life.mayFail === true && unavailable.includes(status));
  }

  /** A session without acknowledged bytes may die with the node that opened it. */
  #mayBeUnknown({ acknowledged }: OpenSession, status: number): boolean {
    return this.life.mayFail === true && acknowledged === 0 && status === 404;
  }

  #wrong(what: string, status: number): never {
    if (!this.mayGet(status)) this.violations.add(what);
    throw new Gone();
  }

  async open(name: string, blob: Blob): Promise<OpenSession> {
    const answer = await this.send("POST", `/v2/${name}/blobs/uploads/`, { body: "" });
    const { location } = answer.headers;
    if (answer.status !== 202 || location === undefined)
      return this.#wrong(`opening an upload in ${name} got ${answer.status}`, answer.status);
    return this.sessions.add(name, location, blob);
  }

  /** Sends the next bytes of the session, up to `end`: with their range, or as a stream. */
  async patch(session: OpenSession, end: number, how: "ranged" | "streamed" | "slowly"): Promise<void> {
    const start = session.acknowledged;
    const bytes = session.blob.bytes.subarray(start, end);
    session.sent = Math.max(session.sent, end);
    const options =
      how === "ranged"
        ? { body: bytes, headers: { "Content-Range": `${start}-${end - 1}` } }
        : { pieces: piecesOf(bytes) };
    const sent =
      how === "slowly"
        ? this.#answer("a slow PATCH", patchSlowly(this.life, session.location, piecesOf(bytes)))
        : this.send("PATCH", session.location, options);
    const { status, headers } = await sent;
    if (this.#mayBeUnknown(session, status)) throw new Gone();
    if (status !== 202 || headers.range !== `0-${end - 1}`)
      this.#wrong(`a ${how} PATCH from ${start} to ${end} got ${status}, ${String(headers.range)}`, status);
    session.acknowledged = end;
  }

  /** Closes the session with the bytes that are still to come. If it is `torn`, the server must refuse it. */
  async close(session: OpenSession, torn = false): Promise<void> {
    const { name, location, blob, acknowledged } = session;
    const rest = blob.bytes.subarray(acknowledged);
    const headers = { "Content-Range": `${acknowledged}-${blob.bytes.length - 1}` };
    session.sent = blob.bytes.length;
    session.ending = "sent";
    const options = { body: rest, ...(rest.length > 0 && acknowledged > 0 && { headers }) };
    const path = withQuery(location, `digest=${blob.digest}`);
    const write = { key: keys.blob(name, blob.digest), value: present };
    const refused = this.life.mayFail === true && acknowledged === 0 ? [404] : torn ? [400] : [];
    session.isClosed = await this.#write([write], ["PUT", path, options], 201, refused, true);
    if (torn && session.isClosed) this.#wrong("an upload that has lost bytes became a blob", 201);
    if (session.isClosed) this.sessions.end(session);
    else if (torn) this.sessions.forget(session);
  }

  async cancel(session: OpenSession): Promise<void> {
    session.ending = "sent";
    const { status } = await this.send("DELETE", session.location);
    if (this.#mayBeUnknown(session, status)) return;
    if (status !== 204) this.#wrong(`cancelling an upload got ${status}`, status);
    this.sessions.end(session);
  }

  async postBlob(name: string, { bytes, digest }: Blob): Promise<void> {
    const path = `/v2/${name}/blobs/uploads/?digest=${digest}`;
    await this.#write(
      [{ key: keys.blob(name, digest), value: present }],
      ["POST", path, { body: bytes }],
      201,
    );
  }

  /** Mounts, or cancels the session that it gets instead. Returns whether the mount succeeded. */
  async mount(name: string, blob: Blob, from: string | undefined): Promise<boolean> {
    const query = `mount=${blob.digest}${from === undefined ? "" : `&from=${from}`}`;
    const operation = this.ledger.begin([{ key: keys.blob(name, blob.digest), value: present }]);
    const sent = this.send("POST", `/v2/${name}/blobs/uploads/?${query}`, { body: "" });
    const answer = await this.#performed(operation, sent);
    if (answer.status === 201) {
      operation.acknowledge();
      return true;
    }
    if (answer.status !== 202) this.#wrong(`a mount got ${answer.status}`, answer.status);
    operation.reject();
    await this.cancel(this.sessions.add(name, answer.headers.location ?? "", blob));
    return false;
  }

  /** Refused if its content was deleted meanwhile. */
  putManifest(name: string, manifest: PushedManifest, tag: string | undefined): Promise<boolean> {
    const { bytes, digest, mediaType } = manifest;
    const path = `/v2/${name}/manifests/${tag ?? digest}`;
    const writes = [{ key: keys.manifest(name, digest), value: present }];
    if (tag !== undefined) writes.push({ key: keys.tag(name, tag), value: digest });
    return this.#write(
      writes,
      ["PUT", path, { body: bytes, headers: { "Content-Type": mediaType } }],
      201,
      [400, 404],
    );
  }

  deleteTag(name: string, tag: string): Promise<boolean> {
    const write = { key: keys.tag(name, tag), value: undefined };
    return this.#write([write], ["DELETE", `/v2/${name}/manifests/${tag}`], 202, [404]);
  }

  deleteManifest(name: string, digest: string): Promise<boolean> {
    const writes = [
      { key: keys.manifest(name, digest), value: undefined },
      ...this.universe.tags.map((tag) => ({ key: keys.tag(name, tag), value: undefined, onlyIf: digest })),
    ];
    return this.#write(writes, ["DELETE", `/v2/${name}/manifests/${digest}`], 202, [404]);
  }

  deleteBlob(name: string, digest: string): Promise<boolean> {
    const write = { key: keys.blob(name, digest), value: undefined };
    return this.#write([write], ["DELETE", `/v2/${name}/blobs/${digest}`], 202, [404]);
  }
}

/** Bytes of a stream's piece: not a round number, so that pieces are split everywhere. */
const pieceBytes = 50_021;

function piecesOf(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, index) =>
    bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes),
  );
}

type SlowAnswer = Pick<Answer, "status" | "headers">;

/** A stream with pauses of some milliseconds, so that a kill hits it half sent. */
function patchSlowly(life: Life, location: string, pieces: readonly Uint8Array[]): Promise<SlowAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(location, life.url), { method: "PATCH", agent: false }, (incoming) => {
      incoming.resume();
      incoming.once("error", reject);
      incoming.once("end", () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers }));
    });
    outgoing.once("error", reject);
    void (async () => {
      for (const piece of pieces) {
        outgoing.write(piece);
        life.onEvent();
        await pause(3);
      }
      outgoing.end();
    })();
  });
}
