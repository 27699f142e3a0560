/** Verifies the entries of referrers: each manifest with a subject has one, and there are no others. */
import { isDeepStrictEqual } from "node:util";
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { Manifest } from "../../domain/manifest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { describeError } from "../../lib/describe-error.js";
import { referrerOf } from "../push-manifest.js";
import { readUsableManifest } from "../read-manifest.js";
import type { Services } from "../services.js";
import type { Verification } from "./context.js";

/** Checks that a manifest with a subject is listed as its referrer, with correct fields. */
export async function verifyReferrer(
  { services, findings, dryRun }: Verification,
  name: RepositoryName,
  digest: Digest,
  { subject }: Manifest,
): Promise<void> {
  if (subject === undefined) return;
  const { storage, cluster } = services;
  const wrong = async () => {
    const stored = await readUsableManifest(services, name, digest);
    if (stored === undefined) return undefined;
    const wanted = referrerOf(stored.manifest, digest, stored.bytes.length);
    const found = await storage.referrers.find(name, subject.digest, digest);
    // Compare as JSON: fields that are not stored do not differ.
    return isDeepStrictEqual(found, JSON.parse(JSON.stringify(wanted))) ? undefined : wanted;
  };
  if ((await wrong()) === undefined) return;
  await cluster.repositoryLocks.exclusive(name, async () => {
    const wanted = await wrong();
    if (wanted === undefined) return;
    if (!dryRun) await storage.referrers.add(name, subject.digest, wanted);
    const what = `the entry as a referrer of ${subject.digest} is missing or damaged`;
    findings.problem({ repository: name, digest, what, remedy: dryRun ? "none" : "mended" });
  });
}

/** Checks that no entry remains of a removed manifest, or of one with another subject. */
export async function verifyReferrers(
  { services, findings, dryRun, signal }: Verification,
  name: RepositoryName,
): Promise<void> {
  const { storage, cluster } = services;
  for await (const { subject, referrer } of storage.referrers.all(name)) {
    if (signal.aborted) return;
    const wrong = async () =>
      (await storage.referrers.has(name, subject, referrer)) &&
      (await storedSubject(services, name, referrer)) !== subject;
    try {
      if (!(await wrong())) continue;
      await cluster.repositoryLocks.exclusive(name, async () => {
        if (!(await wrong())) return;
        if (!dryRun) await storage.referrers.remove(name, subject, referrer);
        const what = `there is an entry as a referrer of ${subject}, but no such manifest`;
        findings.problem({ repository: name, digest: referrer, what, remedy: dryRun ? "none" : "mended" });
      });
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      const what = `the entry as a referrer of ${subject} cannot be read: ${describeError(error)}`;
      findings.problem({ repository: name, digest: referrer, what, remedy: "none" });
    }
  }
}

async function storedSubject(
  services: Services,
  name: RepositoryName,
  digest: Digest,
): Promise<Digest | undefined> {
  return (await readUsableManifest(services, name, digest))?.manifest.subject?.digest;
}
