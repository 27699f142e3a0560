/**
 * Checks everything that a restarted server shows over HTTP: each object must be allowed by the ledger, complete, and
 * consistent with related objects.
 */
import { type Answer, Client } from "../support/client.js";
import { keys, type Ledger, present, type Value } from "./ledger.js";
import type { PushedManifest, Universe } from "./universe.js";
import type { Violations } from "./violations.js";

/** Concurrent requests. */
const requestsAtOnce = 16;

export interface Seen {
  readonly url: string;
  readonly universe: Universe;
  readonly ledger: Ledger;
  readonly violations: Violations;
  /** The moment of the crash, if the ledger has continued after it. */
  readonly until?: number;
  /** Asks again what got a 503. */
  readonly client?: Client;
  /** Whether a collector removes blobs that no manifest names. */
  readonly collects?: boolean;
}

/** The server's state of each object. */
export async function checkApi(seen: Seen): Promise<ReadonlyMap<string, Value>> {
  const { url, universe, ledger, violations, until } = seen;
  const client = seen.client ?? new Client(url);
  const found = new Map<string, Value>();
  const looks = universe.names.flatMap((name) => [
    ...universe.blobs.map((blob) => async () => {
      found.set(
        keys.blob(name, blob.digest),
        await lookAt(client, name, `blobs/${blob.digest}`, blob.bytes, violations),
      );
    }),
    ...universe.manifests.map((manifest) => async () => {
      const path = `manifests/${manifest.digest}`;
      found.set(
        keys.manifest(name, manifest.digest),
        await lookAt(client, name, path, manifest.bytes, violations),
      );
    }),
    () => lookAtTags(client, seen, name, found),
  ]);
  await inTurns(looks);
  await inTurns(universe.names.map((name) => () => lookAtReferrers(client, seen, name, found)));
  const optional = seen.collects === true ? unnamedBlobs(universe, found) : undefined;
  for (const [key, value] of found) {
    if (value === undefined && optional?.has(key)) continue;
    const objection = ledger.objection(key, value, until);
    if (objection !== undefined) violations.add(objection);
  }
  await lookAtCatalog(client, seen);
  return found;
}

/** Registers of blobs that no manifest of their repository names. */
function unnamedBlobs(universe: Universe, found: ReadonlyMap<string, Value>): ReadonlySet<string> {
  const named = new Set(
    universe.names.flatMap((name) =>
      universe.manifests
        .filter(({ digest }) => found.get(keys.manifest(name, digest)) !== undefined)
        .flatMap(({ blobs }) => blobs.map(({ digest }) => keys.blob(name, digest))),
    ),
  );
  const all = universe.names.flatMap((name) => universe.blobs.map(({ digest }) => keys.blob(name, digest)));
  return new Set(all.filter((key) => !named.has(key)));
}

async function inTurns(looks: readonly (() => Promise<void>)[]): Promise<void> {
  const rest = looks.values();
  const take = async () => {
    for (const look of rest) await look();
  };
  await Promise.all(Array.from({ length: requestsAtOnce }, take));
}

/** `present` if it exists; HEAD and GET must agree, and the bytes must be the pushed ones. */
async function lookAt(
  client: Client,
  name: string,
  path: string,
  bytes: Buffer,
  violations: Violations,
): Promise<Value> {
  const full = `/v2/${name}/${path}`;
  const [head, get] = await Promise.all([client.head(full), client.get(full)]);
  if (head.status === 404 && get.status === 404) return undefined;
  if (head.status !== 200 || get.status !== 200)
    violations.add(`${full}: HEAD ${head.status}, GET ${get.status}`);
  else if (head.headers["content-length"] !== String(bytes.length) || !get.body.equals(bytes))
    violations.add(`${full} is incomplete: ${get.body.length} bytes of ${bytes.length}`);
  return present;
}

/** A listed tag must resolve to a manifest that the repository also has by its digest. */
async function lookAtTags(
  client: Client,
  seen: Seen,
  name: string,
  found: Map<string, Value>,
): Promise<void> {
  const { universe, violations } = seen;
  const list = await client.get(`/v2/${name}/tags/list`);
  const listed = list.status === 200 ? (list.json() as { tags: string[] }).tags : [];
  if (list.status !== 200 && list.status !== 404) violations.add(`the tags of ${name} got ${list.status}`);
  for (const tag of new Set([...listed, ...universe.tags])) {
    const answer = await client.get(`/v2/${name}/manifests/${tag}`);
    if ((answer.status === 200) !== listed.includes(tag))
      violations.add(`tag ${name}:${tag} got ${answer.status}, listed are ${listed.join(", ")}`);
    found.set(keys.tag(name, tag), await digestOfTag(client, seen, name, answer));
  }
}

async function digestOfTag(
  client: Client,
  { universe, violations }: Seen,
  name: string,
  answer: Answer,
): Promise<Value> {
  if (answer.status === 404) return undefined;
  const manifest = universe.manifests.find(({ bytes }) => bytes.equals(answer.body));
  const told = answer.headers["docker-content-digest"];
  if (manifest === undefined || told !== manifest.digest) {
    violations.add(
      `a tag of ${name} got ${answer.status} with ${answer.body.length} odd bytes of ${String(told)}`,
    );
    return "nothing known";
  }
  const { status } = await client.head(`/v2/${name}/manifests/${manifest.digest}`);
  if (status !== 200) violations.add(`a tag of ${name} points to ${manifest.digest}, which got ${status}`);
  return manifest.digest;
}

/** The listed referrers must be exactly the existing manifests. */
async function lookAtReferrers(
  client: Client,
  { universe, violations }: Seen,
  name: string,
  found: ReadonlyMap<string, Value>,
): Promise<void> {
  const bySubject = new Map<string, PushedManifest[]>();
  for (const manifest of universe.manifests) {
    if (manifest.subject === undefined) continue;
    bySubject.set(manifest.subject, [...(bySubject.get(manifest.subject) ?? []), manifest]);
  }
  for (const [subject, manifests] of bySubject) {
    const answer = await client.get(`/v2/${name}/referrers/${subject}`);
    const listed = (answer.json() as { manifests: { digest: string }[] }).manifests.map(
      ({ digest }) => digest,
    );
    const there = manifests
      .map(({ digest }) => digest)
      .filter((digest) => found.get(keys.manifest(name, digest)));
    if (listed.sort().join() !== there.sort().join())
      violations.add(
        `referrers of ${name}@${subject}: listed are [${listed.join()}], expected are [${there.join()}]`,
      );
  }
}

async function lookAtCatalog(client: Client, { universe, violations }: Seen): Promise<void> {
  const answer = await client.get("/v2/_catalog");
  const { repositories } = answer.json() as { repositories: string[] };
  const odd = repositories.filter((name) => !universe.names.includes(name));
  if (odd.length > 0) violations.add(`the catalog names ${odd.join(", ")}, without a push to it`);
}
