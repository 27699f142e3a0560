/** Requests of a few bytes, or of ordinary headers, whose responses or waiting cost memory or time. */
import { setTimeout as sleep } from "node:timers/promises";
import { Connection } from "../driver/connection.js";
import { Payload } from "../driver/payload.js";
import {
  blobPath,
  digestOf,
  expectStatus,
  type Manifest,
  manifestMediaType,
  manifestPath,
  pushBlob,
  putManifest,
} from "../driver/registry.js";
import type { Attack, AttackTarget } from "./attack.js";
import { ended, open, send } from "./sockets.js";

const repository = "attack/answers";
const config = new Payload(2);
const layer = new Payload(100_000);

/** Pause before a reconnect. */
const pauseMilliseconds = 5;

function manifest(annotation: string): Manifest {
  const { digest, length: size } = config;
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestMediaType,
      config: { mediaType: "application/vnd.oci.image.config.v1+json", digest, size },
      layers: [],
      annotations: { annotation },
    }),
  );
  return { digest: digestOf(bytes), bytes };
}

const largest = manifest("x".repeat(4 * 1024 * 1024 - 1000));

async function pushBlobs(connection: Connection): Promise<void> {
  for (const blob of [config, layer]) await pushBlob(connection, repository, blob, "put");
}

async function onConnection(
  target: AttackTarget,
  work: (connection: Connection) => Promise<void>,
): Promise<void> {
  using connection = await Connection.open(target);
  await work(connection);
}

function pushAs(target: AttackTarget, tag: string, pushed: Manifest): Promise<void> {
  return onConnection(target, async (connection) => {
    await pushBlobs(connection);
    await putManifest(connection, repository, tag, pushed);
  });
}

/** Runs `attack` on so many connections, each again on a new one when it has ended. */
async function onConnections(
  target: AttackTarget,
  count: number,
  attack: (number: number) => Promise<void>,
): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async (_, number) => {
      while (!target.signal.aborted) {
        await attack(number);
        await sleep(pauseMilliseconds);
      }
    }),
  );
}

/** Requests `path` again and again on so many connections, and reads the responses. */
function requestOn(
  target: AttackTarget,
  count: number,
  path: string,
  options: Parameters<Connection["request"]>[2],
): Promise<void> {
  return onConnections(target, count, () =>
    onConnection(target, async (connection) => {
      while (!target.signal.aborted) await connection.request("GET", path, options);
    }).catch(() => {
      // Refused and closed.
    }),
  );
}

function get(path: string, header = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: ${manifestMediaType}\r\n${header}\r\n`;
}

export const unreadManifests: Attack = {
  name: "unread-manifests",
  what: "200 connections request a manifest of 4 MiB, one of them 256 times without waiting, and read nothing",
  waitMillisecondsMax: 100,
  prepare: (target) => pushAs(target, "largest", largest),
  run: async (target) => {
    const request = get(manifestPath(repository, "largest"));
    await onConnections(target, 200, async (number) => {
      const socket = open(target).pause();
      await send(socket, [request.repeat(number === 0 ? 256 : 1)]);
      await ended(socket);
    });
  },
};

const tags = 3000;
const tagsPerPush = 100;

export const busyLists: Attack = {
  name: "busy-lists",
  what: `64 connections request a list of ${tags} long tags again and again`,
  waitMillisecondsMax: 100,
  prepare: (target) =>
    onConnection(target, async (connection) => {
      await pushBlobs(connection);
      const { digest, bytes } = manifest("");
      for (let first = 0; first < tags; first += tagsPerPush) {
        const names = Array.from({ length: tagsPerPush }, (_, at) => `${"t".repeat(100)}-${first + at}`);
        const path = `${manifestPath(repository, digest)}?${names.map((tag) => `tag=${tag}`).join("&")}`;
        const reply = await connection.request("PUT", path, {
          headers: { "Content-Type": manifestMediaType },
          body: { length: bytes.length, pieces: () => [[bytes]] },
        });
        expectStatus(reply, 201, "a push with many tags");
      }
    }),
  run: async (target) => {
    await requestOn(target, 64, `/v2/${repository}/tags/list`, {});
  },
};

/** Just below what a server accepts. */
const headBytes = 60_000;

export const halfHeads: Attack = {
  name: "half-heads",
  what: `2,000 connections send ${headBytes} bytes of a head that never ends`,
  waitMillisecondsMax: 100,
  run: async (target) => {
    const head = `GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX-Padding: ${"x".repeat(headBytes)}`;
    await onConnections(target, 2000, async () => {
      const socket = open(target);
      await send(socket, [head]);
      await ended(socket);
    });
  },
};

export const queuedRanges: Attack = {
  name: "queued-ranges",
  what: "64 connections request 4,000 ranges and send the next request without waiting, which ends them",
  waitMillisecondsMax: 100,
  prepare: (target) => onConnection(target, pushBlobs),
  run: async (target) => {
    const ranges = Array.from({ length: 4000 }, (_, at) => `${at * 25}-${at * 25}`);
    const request = get(blobPath(repository, layer.digest), `Range: bytes=${ranges}\r\n`);
    await onConnections(target, 64, async () => {
      const socket = open(target);
      await send(socket, [request, request]);
      await ended(socket);
    });
  },
};

export const longConditions: Attack = {
  name: "long-conditions",
  what: "32 connections request a manifest with 60,000 bytes of If-None-Match",
  waitMillisecondsMax: 100,
  prepare: (target) => pushAs(target, "small", manifest("")),
  run: async (target) => {
    const path = manifestPath(repository, "small");
    const headers = { Accept: manifestMediaType, "If-None-Match": `"x",${",".repeat(headBytes)}` };
    await requestOn(target, 32, path, { headers });
  },
};
