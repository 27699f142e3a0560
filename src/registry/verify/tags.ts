/** Verifies a repository's tags: each points to an existing, intact manifest. */

import type { Hold } from "../../cluster/cluster.js";
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { describeError } from "../../lib/describe-error.js";
import { inParallel } from "../../lib/in-parallel.js";
import type { Services } from "../services.js";
import { noteBy, removingTag } from "../tags.js";
import type { Verification, Wrongs } from "./context.js";

/** Tags checked concurrently. */
const checksAtOnce = 8;

export async function verifyTags(
  verification: Verification,
  name: RepositoryName,
  wrongs: Wrongs,
): Promise<void> {
  const { services, findings, signal } = verification;
  await inParallel((await services.storage.tags.list(name)) ?? [], checksAtOnce, async (tag) => {
    if (signal.aborted) return;
    try {
      await verifyTag(verification, name, tag, wrongs);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      const what = `the tag cannot be read: ${describeError(error)}`;
      findings.problem({ repository: name, tag, what, remedy: "none" });
      findings.hurtTag({ repository: name, tag, because: [what] });
    }
  });
}

async function verifyTag(
  verification: Verification,
  name: RepositoryName,
  tag: Tag,
  wrongs: Wrongs,
): Promise<void> {
  const { services, findings } = verification;
  const state = await services.storage.tags.inspect(name, tag);
  if (state === undefined) return;
  findings.counts.tags++;
  const { digest } = state;
  if (digest === undefined || (await services.storage.manifests.size(name, digest)) === undefined)
    return verifyDangling(verification, name, tag, digest && wrongs.get(digest));
  const because = wrongs.get(digest);
  if (because !== undefined) findings.hurtTag({ repository: name, tag, digest, because });
  await verifyCopy(verification, name, tag, digest);
}

/** A tag without a manifest would be listed but could not be pulled. Removes it, and reports it with its target. */
async function verifyDangling(
  { services, findings, dryRun }: Verification,
  name: RepositoryName,
  tag: Tag,
  wrongs: readonly string[] = [],
): Promise<void> {
  const { storage, cluster } = services;
  await cluster.repositoryLocks.exclusive(name, async (hold) => {
    const state = await storage.tags.inspect(name, tag);
    if (state === undefined) return;
    const { digest } = state;
    if (digest !== undefined && (await storage.manifests.size(name, digest)) !== undefined) return;
    const what =
      digest === undefined ? "the tag's pointer is damaged" : "the tag points to a missing manifest";
    const taken = !dryRun && (await quarantineTag(services, hold, name, tag));
    const known = digest !== undefined && { digest };
    findings.problem({ repository: name, tag, ...known, what, remedy: taken ? "quarantined" : "none" });
    findings.hurtTag({ repository: name, tag, ...known, because: wrongs.length > 0 ? wrongs : [what] });
  });
}

async function quarantineTag(
  services: Services,
  hold: Hold,
  name: RepositoryName,
  tag: Tag,
): Promise<boolean> {
  const { disk } = services.storage;
  if (disk === undefined) return false;
  const note = noteBy(services, "verify");
  return removingTag(services, hold, name, tag, () => disk.quarantineTag(name, tag, note));
}

/** The copy of the manifest is for people and scripts; clients never see it. */
async function verifyCopy(
  { services, findings, dryRun }: Verification,
  name: RepositoryName,
  tag: Tag,
  digest: Digest,
): Promise<void> {
  const { tags, disk } = services.storage;
  if (disk === undefined || (await disk.isTagCopied(name, tag, digest))) return;
  if (!dryRun) await tags.mend(name, tag, digest);
  // The tag may have been moved meanwhile, which repaired the copy, or removed.
  const target = await tags.inspect(name, tag);
  if (target?.digest === undefined) return;
  const isRight = await disk.isTagCopied(name, tag, target.digest);
  if (dryRun && isRight) return;
  const what = "the copy of the manifest beside the tag's pointer is wrong";
  findings.problem({ repository: name, tag, what, remedy: isRight ? "mended" : "none" });
}
