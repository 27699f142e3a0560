/**
 * Verification during pushes and pulls: reads every content again, and checks that everything that is named exists. Moves
 * damaged objects to quarantine, so that clients find them absent and push them again. Checks each fault again with the
 * repository's lock held before it acts.
 */
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { describeError } from "../../lib/describe-error.js";
import { inParallel } from "../../lib/in-parallel.js";
import type { Services } from "../services.js";
import type { VerifyOptions } from "./context.js";
import { Findings, type VerifyReport } from "./report.js";
import { verifyRepository } from "./repository.js";

export interface VerifyProgress {
  /** Called after each content. */
  readonly onContent: (bytesRead: number, bytesTotal: number) => void;
  /** Called after each repository. */
  readonly onRepository: (done: number, name: string) => void;
}

/** Contents read concurrently: the workers also hash for uploads. */
const readsAtOnce = 4;

/** Rejects only if the storage as a whole cannot be read; a fault in a part of it is a finding. */
export async function verify(
  services: Services,
  options: VerifyOptions,
  { onContent, onRepository }: VerifyProgress,
): Promise<VerifyReport> {
  const { dryRun, signal } = options;
  const findings = new Findings();
  const damaged = await verifyContents(services, options, findings, onContent);
  const verification = { services, findings, damaged, ...options };
  for await (const name of services.storage.repositories.all()) {
    if (signal.aborted) break;
    await verifyRepository(verification, name);
    onRepository(++findings.counts.repositories, name);
  }
  const { disk } = services.storage;
  for await (const stray of disk?.strayFiles() ?? []) {
    if (signal.aborted) break;
    findings.odd(stray);
    if (stray.unread) findings.problem({ what: `${stray.path}: ${stray.why}`, remedy: "none" });
    if (!stray.inTheWay) continue;
    const taken = !dryRun && (await disk?.quarantineStrayFile(stray));
    findings.problem({ what: `${stray.path}: ${stray.why}`, remedy: taken ? "quarantined" : "none" });
  }
  return findings.report(dryRun, !signal.aborted);
}

async function verifyContents(
  { storage }: Services,
  { dryRun, signal }: VerifyOptions,
  findings: Findings,
  onContent: VerifyProgress["onContent"],
): Promise<ReadonlySet<Digest>> {
  let bytesTotal = 0;
  for await (const { size } of storage.blobs.contents()) bytesTotal += size;
  const damaged = new Set<Digest>();
  const { disk } = storage;
  const { counts } = findings;
  await inParallel(storage.blobs.contents(), readsAtOnce, async ({ digest, size }) => {
    if (signal.aborted) return;
    try {
      const sound = await storage.blobs.checkContent(digest);
      if (sound === undefined) return;
      counts.contents++;
      const leaves = dryRun || disk === undefined;
      if (!sound && (leaves || (await disk.quarantineContent(digest)))) {
        damaged.add(digest);
        const what = "the content's bytes do not have its digest";
        findings.problem({ digest, what, remedy: leaves ? "none" : "quarantined" });
      }
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      findings.problem({
        digest,
        what: `the content cannot be read: ${describeError(error)}`,
        remedy: "none",
      });
    }
    counts.bytesRead += size;
    onContent(counts.bytesRead, Math.max(bytesTotal, counts.bytesRead));
  });
  return damaged;
}
