/** Verifies one repository: its blobs, then its manifests and referrers, then its tags. */
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { describeError } from "../../lib/describe-error.js";
import { inParallel } from "../../lib/in-parallel.js";
import { removing } from "../removing.js";
import type { Verification } from "./context.js";
import { verifyManifests } from "./manifests.js";
import type { Problem } from "./report.js";
import { verifyTags } from "./tags.js";

/** Blobs checked concurrently. */
const checksAtOnce = 4;

/** Never rejects if the storage cannot read this repository: that is a finding. */
export async function verifyRepository(verification: Verification, name: RepositoryName): Promise<void> {
  try {
    await verifyBlobs(verification, name);
    await verifyNames(verification, name);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    const what = `the repository cannot be read: ${describeError(error)}`;
    verification.findings.problem({ repository: name, what, remedy: "none" });
  }
}

/** Verifies that manifests and tags are intact, and that the objects that they name exist. Reads no blob. */
export async function verifyNames(verification: Verification, name: RepositoryName): Promise<void> {
  const wrongs = await verifyManifests(verification, name);
  await verifyTags(verification, name, wrongs);
}

async function verifyBlobs(
  { services, findings, damaged, dryRun, signal }: Verification,
  name: RepositoryName,
): Promise<void> {
  const { storage, cluster } = services;
  const tell = (digest: Digest, what: string, remedy: Problem["remedy"]) =>
    findings.problem({ repository: name, digest, what, remedy });
  await inParallel(await storage.blobs.list(name), checksAtOnce, async (digest) => {
    if (signal.aborted) return;
    try {
      const found = await storage.blobs.check(name, digest);
      if (found === undefined) return;
      findings.counts.blobs++;
      const sound = found === "content" ? !damaged.has(digest) : found;
      if (sound) return;
      const { disk } = storage;
      if (dryRun || disk === undefined)
        return tell(digest, "the blob's bytes do not have its digest", "none");
      const taken = await cluster.repositoryLocks.exclusive(name, (hold) =>
        removing(services, hold, { kind: "blob-deleted", name, digest }, () =>
          disk.quarantineBlob(name, digest),
        ),
      );
      if (taken) tell(digest, "the blob's bytes did not have its digest", "quarantined");
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      tell(digest, `the blob cannot be read: ${describeError(error)}`, "none");
    }
  });
}
