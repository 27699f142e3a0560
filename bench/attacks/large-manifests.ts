/** Manifests that are expensive to parse: each kind just within Gantry's bounds, and far beyond. */
import { Connection } from "../driver/connection.js";
import { Payload } from "../driver/payload.js";
import { digestOf, manifestMediaType, manifestPath, pushBlob } from "../driver/registry.js";
import type { Attack, AttackTarget } from "./attack.js";

const repository = "attack/manifests";
const connections = 8;

const config = new Payload(2);
const described = { mediaType: "application/octet-stream", digest: config.digest, size: config.length };
const empty = {
  mediaType: "application/octet-stream",
  digest: digestOf(Buffer.alloc(0)),
  size: 0,
  data: "",
};

function manifest(fields: Readonly<Record<string, unknown>>): Buffer {
  const image = { schemaVersion: 2, mediaType: manifestMediaType, config: described, layers: [] };
  return Buffer.from(JSON.stringify({ ...image, ...fields }));
}

function annotations(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, key) => [`k${key}`, ""]));
}

/** Descriptors of distinct missing layers. */
function differentLayers(count: number): unknown[] {
  return Array.from({ length: count }, (_, layer) => ({
    ...described,
    digest: digestOf(Buffer.from(String(layer))),
  }));
}

/** Sends each of `bodies` repeatedly on some connections; refusals are permitted. */
async function putAll(target: AttackTarget, bodies: readonly Buffer[]): Promise<void> {
  await Promise.all(
    Array.from({ length: connections }, async (_, index) => {
      for (let turn = index; !target.signal.aborted; turn++) {
        const body = bodies[turn % bodies.length];
        if (body === undefined) return;
        try {
          using connection = await Connection.open(target);
          await connection.request("PUT", manifestPath(repository, `tag-${index}`), {
            headers: { "Content-Type": manifestMediaType },
            body: { length: body.length, pieces: () => [[body]] },
          });
        } catch {
          // Refused and closed.
        }
      }
    }),
  );
}

async function pushConfig(target: AttackTarget): Promise<void> {
  using connection = await Connection.open(target);
  await pushBlob(connection, repository, config, "put");
  await pushBlob(connection, repository, new Payload(0), "put");
}

function attack(name: string, what: string, bodies: () => readonly Buffer[]): Attack {
  return {
    name,
    what,
    waitMillisecondsMax: 50,
    prepare: pushConfig,
    run: async (target) => await putAll(target, bodies()),
  };
}

export const manifestAttacks: readonly Attack[] = [
  attack("many-annotations", "8 connections push manifests of up to 385,000 annotations", () => [
    manifest({ annotations: annotations(385_000) }),
    manifest({ annotations: annotations(99_000) }),
  ]),
  attack("embedded-blobs", "8 connections push manifests of up to 35,000 embedded empty blobs", () => [
    manifest({ layers: Array(25_000).fill(empty) }),
    manifest({ layers: Array(9_999).fill(empty) }),
  ]),
  attack("deep-nesting", "8 connections push 4 MiB of opening brackets", () => [
    Buffer.from("[".repeat(4 * 1024 * 1024)),
    manifest({ other: JSON.parse(`${"[".repeat(30)}${"]".repeat(30)}`) }),
  ]),
  attack("many-layers", "8 connections push manifests of up to 25,000 layers", () => [
    manifest({ layers: Array(25_000).fill(described) }),
    manifest({ layers: Array(9_999).fill(described) }),
    manifest({ layers: differentLayers(9_999) }),
  ]),
  {
    name: "referrers-of-large",
    what: "8 connections list and delete referrers whose annotations are as large as allowed",
    waitMillisecondsMax: 50,
    prepare: async (target) => {
      await pushConfig(target);
      using connection = await Connection.open(target);
      for (let number = 0; number < referrers; number++) await pushReferrer(connection, number);
    },
    run: async (target) => {
      const list = `/v2/${repository}/referrers/${config.digest}`;
      await Promise.all(
        Array.from({ length: connections }, async (_, index) => {
          using connection = await Connection.open(target);
          for (let turn = index; !target.signal.aborted; turn++) {
            await connection.request("GET", list);
            const digest = await pushReferrer(connection, turn % referrers);
            await connection.request("DELETE", manifestPath(repository, digest));
          }
        }),
      );
    },
  },
];

const referrers = 50;

async function pushReferrer(connection: Connection, number: number): Promise<string> {
  const body = manifest({
    subject: described,
    annotations: { ...annotations(15_000), number: String(number) },
  });
  const digest = digestOf(body);
  await connection.request("PUT", manifestPath(repository, digest), {
    headers: { "Content-Type": manifestMediaType },
    body: { length: body.length, pieces: () => [[body]] },
  });
  return digest;
}
