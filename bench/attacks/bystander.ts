/**
 * The other client of an attacked server: it pulls and pushes small objects one after the other and records the time of
 * each. Every tenth round uses a new connection, to notice refused connections.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Connection } from "../driver/connection.js";
import type { Endpoint } from "../driver/endpoint.js";
import { makeImage, storeImage } from "../driver/image.js";
import { Payload } from "../driver/payload.js";
import {
  blobPath,
  expectStatus,
  hasBlob,
  manifestMediaType,
  manifestPath,
  openUpload,
  putManifest,
  sendBlob,
} from "../driver/registry.js";
import { percentile } from "../statistics.js";
import { bystanderAddress } from "./attack.js";

/** A pause between requests: the bystander is a normal client, not a second load. */
const pauseMilliseconds = 5;
const roundsPerConnection = 10;
const roundsPerPush = 10;

export interface Waits {
  readonly requests: number;
  readonly p50Milliseconds: number;
  readonly longestMilliseconds: number;
  /** The slowest request. */
  readonly longest: string;
}

const repository = "bystander/image";
const layer = new Payload(20_000);
const image = makeImage(repository, "latest", new Payload(2_000), [layer]);

export class Bystander {
  readonly #endpoint: Endpoint;
  readonly #waits: number[] = [];
  /** Paths of its pushed blobs. */
  readonly #acknowledged: string[] = [];
  #longest = { milliseconds: 0, what: "none" };
  #current: { readonly since: number; readonly what: string } | undefined;
  #failure: unknown;
  #stopped = false;
  #done: Promise<void> | undefined;

  constructor(target: Endpoint) {
    this.#endpoint = { ...target, localAddress: bystanderAddress };
  }

  /** Pushes the content that it will pull. */
  async prepare(): Promise<void> {
    using connection = await Connection.open(this.#endpoint);
    await storeImage(connection, image);
  }

  start(): void {
    this.#done = this.#work().catch((error: unknown) => {
      this.#failure = new Error(
        `the other client failed: ${error instanceof Error ? error.message : error}`,
        { cause: error },
      );
      this.#note();
    });
  }

  /** Ends it after its current request, for which it waits `secondsMax`. Throws if a request failed or did not end. */
  async stop(secondsMax: number): Promise<Waits> {
    this.#stopped = true;
    const late = sleep(secondsMax * 1000, "late" as const);
    if ((await Promise.race([this.#done, late])) === "late") {
      this.#note();
      this.#failure ??= new Error(`the other client got no response to ${this.#longest.what}`);
    }
    if (this.#failure !== undefined) throw this.#failure;
    return {
      requests: this.#waits.length,
      p50Milliseconds: percentile(this.#waits, 0.5),
      longestMilliseconds: this.#longest.milliseconds,
      longest: this.#longest.what,
    };
  }

  /** Throws unless all acknowledged content exists. */
  async check(): Promise<void> {
    using connection = await Connection.open(this.#endpoint);
    const headers = { Accept: manifestMediaType };
    for (const path of this.#acknowledged)
      expectStatus(await connection.request("HEAD", path, { headers }), 200, `HEAD ${path} after the attack`);
  }

  async #work(): Promise<void> {
    let connection = await this.#timed("connecting", Connection.open(this.#endpoint));
    try {
      for (let round = 1; !this.#stopped; round++) {
        if (round % roundsPerConnection === 0) {
          connection[Symbol.dispose]();
          connection = await this.#timed("connecting", Connection.open(this.#endpoint));
        }
        await this.#pull(connection);
        if (round % roundsPerPush === 0) await this.#push(connection, round);
      }
    } finally {
      connection[Symbol.dispose]();
    }
  }

  async #pull(connection: Connection): Promise<void> {
    const headers = { Accept: manifestMediaType };
    for (const path of ["/v2/", manifestPath(repository, image.tag), blobPath(repository, layer.digest)]) {
      const reply = await this.#timed(`GET ${path}`, connection.request("GET", path, { headers }));
      expectStatus(reply, 200, `GET ${path}`);
      await sleep(pauseMilliseconds);
    }
    const there = await this.#timed("HEAD of a blob", hasBlob(connection, repository, layer.digest));
    if (!there) throw new Error("a pushed blob is missing");
  }

  async #push(connection: Connection, round: number): Promise<void> {
    const { repository, tag, blobs, manifest } = makeImage(
      "bystander/pushed",
      `round-${round}`,
      new Payload(500),
      [new Payload(4_000)],
    );
    for (const blob of blobs) {
      const session = await this.#timed("POST of an upload", openUpload(connection, repository));
      await this.#timed("PUT of a blob", sendBlob(connection, session, blob, "put"));
      this.#acknowledged.push(blobPath(repository, blob.digest));
    }
    await this.#timed("PUT of a manifest", putManifest(connection, repository, tag, manifest));
    this.#acknowledged.push(manifestPath(repository, tag));
  }

  async #timed<T>(what: string, work: Promise<T>): Promise<T> {
    this.#current = { since: performance.now(), what };
    const result = await work;
    this.#note();
    return result;
  }

  #note(): void {
    if (this.#current === undefined) return;
    const { since, what } = this.#current;
    this.#current = undefined;
    const milliseconds = performance.now() - since;
    this.#waits.push(milliseconds);
    if (milliseconds > this.#longest.milliseconds) this.#longest = { milliseconds, what };
  }
}
