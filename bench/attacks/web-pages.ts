/** Requests of the web page: each page takes a server milliseconds. */
import { setTimeout as sleep } from "node:timers/promises";
import { Connection } from "../driver/connection.js";
import { Payload } from "../driver/payload.js";
import {
  digestOf,
  expectStatus,
  type Manifest,
  manifestMediaType,
  manifestPath,
  pushBlob,
} from "../driver/registry.js";
import type { Attack, AttackTarget } from "./attack.js";

const repository = "attack/pages";
const config = new Payload(2);
const layers = Array.from({ length: 20 }, () => new Payload(100));

export const settings = { REGISTRY_HTTP_UI_ENABLED: "true", REGISTRY_STORAGE_DELETE_ENABLED: "true" };

/** Pause before a reconnect. */
const pauseMilliseconds = 5;

const tags = 2000;
const tagsPerPush = 100;
const images = 20;

function imageWith(annotation: string): Manifest {
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestMediaType,
      config: {
        mediaType: "application/vnd.oci.image.config.v1+json",
        digest: config.digest,
        size: config.length,
      },
      layers: layers.map(({ digest, length: size }) => ({
        mediaType: "application/vnd.oci.image.layer.v1.tar",
        digest,
        size,
        annotations: { "org.opencontainers.image.title": "x".repeat(200) },
      })),
      annotations: Object.fromEntries(
        Array.from({ length: 60 }, (_, at) => [`${annotation}${at}`, "y".repeat(200)]),
      ),
    }),
  );
  return { digest: digestOf(bytes), bytes };
}

export async function pushTags(target: AttackTarget): Promise<void> {
  using connection = await Connection.open(target);
  for (const blob of [config, ...layers]) await pushBlob(connection, repository, blob, "put");
  for (let first = 0; first < tags; first += tagsPerPush) {
    const { digest, bytes } = imageWith(`of ${first % images}`);
    const names = Array.from({ length: tagsPerPush }, (_, at) => `${"t".repeat(100)}-${first + at}`);
    const path = `${manifestPath(repository, digest)}?${names.map((tag) => `tag=${tag}`).join("&")}`;
    const body = { length: bytes.length, pieces: () => [[bytes]] };
    const reply = await connection.request("PUT", path, {
      headers: { "Content-Type": manifestMediaType },
      body,
    });
    expectStatus(reply, 201, "a push with many tags");
  }
}

/** Requests the pages one after the other on so many connections, and reads the responses. */
async function requestPages(
  target: AttackTarget,
  connections: number,
  pathOf: (number: number) => string,
): Promise<void> {
  let number = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (!target.signal.aborted) {
        try {
          using connection = await Connection.open(target);
          while (!target.signal.aborted) await connection.request("GET", pathOf(number++));
        } catch {
          // Refused and closed.
          await sleep(pauseMilliseconds);
        }
      }
    }),
  );
}

export const tag = `${"t".repeat(100)}-7`;
export const of = `/ui/r/${repository}`;

const pages = [
  "/",
  "/ui/",
  "/ui/?q=a",
  `${of}/_tags`,
  `${of}/_tags?sort=version&page=7`,
  `${of}/_image/${tag}`,
  `${of}/_image/${tag}?show=manifest`,
  `${of}/_history/${tag}`,
  `${of}/_removed`,
  `${of}/_delete?tag=${tag}`,
  "/ui/robots/new",
  "/ui/activity",
  "/ui/nothing",
];

/** Searches are no expressions, and a text has no end. */
const texts = ["a", "A/B", "(a+)+$", "\u00e9\u202e", "%", ".*", "a".repeat(250), "x".repeat(10_000), "t"];

/** Returns the address of a search, of which few were made before. */
function searchAt(number: number): string {
  const text = encodeURIComponent(`${texts[number % texts.length]}${number % 3 === 0 ? number : ""}`);
  const kinds = [
    `/ui/?q=${text}`,
    `${of}/_tags?filter=${text}&sort=version&page=${number}`,
    `/ui/?in=attack&last=${text}`,
  ];
  return kinds[number % kinds.length] ?? "/";
}

export const manyPages: Attack = {
  name: "many-pages",
  what: "200 connections request pages of all kinds, and search, one after the other",
  settings,
  waitMillisecondsMax: 100,
  prepare: pushTags,
  run: (target) =>
    requestPages(target, 200, (number) =>
      number % 2 === 0 ? searchAt(number / 2) : (pages[((number - 1) / 2) % pages.length] ?? "/"),
    ),
};
