/** Verifies a repository's manifests: each has its digest, and everything that it names exists. */
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { Manifest } from "../../domain/manifest.js";
import { isManifestMediaType } from "../../domain/media-type.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { describeError } from "../../lib/describe-error.js";
import { inParallel } from "../../lib/in-parallel.js";
import { readManifest } from "../read-manifest.js";
import { removing } from "../removing.js";
import type { Verification, Wrongs } from "./context.js";
import { verifyReferrer, verifyReferrers } from "./referrers.js";

/** Manifests checked concurrently. */
const checksAtOnce = 8;

/** Returns the manifests that are wrong or lead to wrong objects, with all reasons. */
export async function verifyManifests(verification: Verification, name: RepositoryName): Promise<Wrongs> {
  const { services, findings, signal } = verification;
  const wrongs = new Map<Digest, string[]>();
  const children = new Map<Digest, readonly Digest[]>();
  await inParallel(await services.storage.manifests.list(name), checksAtOnce, async (digest) => {
    if (signal.aborted) return;
    try {
      const manifest = await verifyManifest(verification, name, digest);
      if (manifest === "gone") return;
      findings.counts.manifests++;
      if (manifest === "damaged") {
        wrongs.set(digest, [`manifest ${digest} is damaged`]);
        return;
      }
      const missing = await missingOf(verification, name, digest, manifest);
      if (missing.length > 0) wrongs.set(digest, missing);
      if (manifest.children.length > 0)
        children.set(
          digest,
          manifest.children.map((child) => child.digest),
        );
      await verifyReferrer(verification, name, digest, manifest);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      const what = `the manifest cannot be read: ${describeError(error)}`;
      findings.problem({ repository: name, digest, what, remedy: "none" });
      wrongs.set(digest, [`manifest ${digest} cannot be read`]);
    }
  });
  await verifyReferrers(verification, name);
  return withThoseAbove(wrongs, children);
}

/** Returns the manifest in the bytes. Moves a damaged one to quarantine. */
async function verifyManifest(
  verification: Verification,
  name: RepositoryName,
  digest: Digest,
): Promise<Manifest | "damaged" | "gone"> {
  const { services, findings, dryRun } = verification;
  const { storage, cluster } = services;
  const first = await readManifest(services, name, digest);
  if (typeof first !== "string") return first?.manifest ?? "gone";
  return cluster.repositoryLocks.exclusive(name, async (hold) => {
    const again = await readManifest(services, name, digest);
    if (typeof again !== "string") return again?.manifest ?? "gone";
    const taken =
      !dryRun &&
      (await removing(services, hold, { kind: "manifest-deleted", name, digest }, async () =>
        storage.disk?.quarantineManifest(name, digest),
      ));
    const what =
      again === "damaged"
        ? "the manifest's bytes do not have its digest, or are no manifest"
        : "the manifest is not a regular file but a symbolic link, a folder, a pipe or the like, which is not read";
    findings.problem({ repository: name, digest, what, remedy: taken ? "quarantined" : "none" });
    return "damaged";
  });
}

/** Finds the named objects that are missing or damaged. */
async function missingOf(
  { services, findings, damaged }: Verification,
  name: RepositoryName,
  digest: Digest,
  { blobs, children }: Manifest,
): Promise<string[]> {
  const { storage, rules } = services;
  const missing: string[] = [];
  const absent = async (named: Digest, kind: "blob" | "manifest") => {
    if (rules.allowsSparse(name)) return;
    // A manifest that was deleted meanwhile with its content is no fault.
    if ((await storage.manifests.size(name, digest)) === undefined) return;
    missing.push(`${kind} ${named} is missing`);
    const what = `manifest ${digest} names a missing ${kind}`;
    findings.problem({ repository: name, digest: named, what, remedy: "none" });
  };
  for (const blob of blobs) {
    const size = await storage.blobs.size(name, blob.digest);
    if (size === undefined) await absent(blob.digest, "blob");
    else if (damaged.has(blob.digest)) missing.push(`blob ${blob.digest} is damaged`);
  }
  for (const child of children) {
    if ((await storage.manifests.size(name, child.digest)) !== undefined) continue;
    if (isManifestMediaType(child.mediaType)) await absent(child.digest, "manifest");
    else if ((await storage.blobs.size(name, child.digest)) === undefined) await absent(child.digest, "blob");
  }
  return missing;
}

/** Adds the indexes above: an index is only intact if everything that it names is. */
function withThoseAbove(
  wrongs: ReadonlyMap<Digest, readonly string[]>,
  children: ReadonlyMap<Digest, readonly Digest[]>,
): Wrongs {
  const parents = new Map<Digest, Digest[]>();
  for (const [parent, digests] of children)
    for (const digest of digests) parents.set(digest, [...(parents.get(digest) ?? []), parent]);
  const all = new Map<Digest, Set<string>>();
  for (const [digest, reasons] of wrongs) {
    const reached = new Set<Digest>();
    for (const next = [digest]; next.length > 0; ) {
      const one = next.pop();
      if (one === undefined || reached.has(one)) continue;
      reached.add(one);
      all.set(one, new Set([...(all.get(one) ?? []), ...reasons]));
      next.push(...(parents.get(one) ?? []));
    }
  }
  return new Map(Array.from(all, ([digest, reasons]) => [digest, [...reasons]]));
}
