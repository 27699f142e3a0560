/**
 * Imports from another registry or directory, during pushes and pulls. Everything enters as if pushed, so a repeated import
 * continues with the missing objects.
 */

import type { RepositoryName } from "../../domain/repository-name.js";
import { inParallel } from "../../lib/in-parallel.js";
import type { OnStray, OnUndelivered, Source, SourceRepository } from "../../transfer/source.js";
import type { Services } from "../services.js";
import { Findings } from "../verify/report.js";
import { verifyNames } from "../verify/repository.js";
import { type ImportReport, Tally } from "./report.js";
import { RepositoryImport } from "./repository.js";
import { importRobots } from "./robots.js";
import { type ImportOptions, ImportRun, isOfOne } from "./run.js";

/** Called after each tag and listed manifest, and for the bytes of imported blobs. */
export type ImportProgress = (done: number, total: number, name: RepositoryName, bytes: number) => void;

/** Repositories imported concurrently. */
const repositoriesAtOnce = 4;

const ofUpstream =
  "not imported: the name belongs to an upstream registry (setting proxy), whose images are only fetched; use another name";

/** Rejects if the storage fails, or if the source cannot be listed. `open` gets the callbacks for what the source skips. */
export async function importFrom(
  services: Services,
  open: (onStray: OnStray, onUndelivered: OnUndelivered) => Promise<Source>,
  options: ImportOptions,
  onProgress: ImportProgress,
): Promise<ImportReport> {
  const { signal, dryRun } = options;
  const tally = new Tally();
  const run = new ImportRun(services, options, tally);
  const source = await open(
    (what, why) => tally.odd(what, why),
    (digest, what) => tally.problem({ digest, what }),
  );
  try {
    const repositories: SourceRepository[] = [];
    let total = 0;
    for await (const { repository, roots } of source.repositories()) {
      if (signal.aborted) break;
      repositories.push(repository);
      total += roots;
    }
    let done = 0;
    await inParallel(repositories, repositoriesAtOnce, async (repository) => {
      if (signal.aborted) return;
      if (services.isMirrored(repository.name)) {
        tally.problem({ repository: repository.name, what: ofUpstream });
        return;
      }
      const onRoot = () => onProgress(++done, total, repository.name, tally.bytes);
      await new RepositoryImport(run, repository, onRoot).import();
      if (!dryRun) await check(run, repository.name);
      tally.repositories++;
    });
    if (options.robots && !signal.aborted) await importRobots(run, source);
  } finally {
    await source.close();
  }
  return tally.report(dryRun, !signal.aborted);
}

/** Checks whether all manifests and tags of the repository can be pulled. */
async function check({ services, options, tally }: ImportRun, name: RepositoryName): Promise<void> {
  const findings = new Findings();
  const verification = {
    services,
    findings,
    damaged: new Set<never>(),
    dryRun: true,
    signal: options.signal,
  };
  try {
    await verifyNames(verification, name);
  } catch (error) {
    if (!isOfOne(error)) throw error;
    findings.problem({ repository: name, what: error.message, remedy: "none" });
  }
  for (const { remedy, what, ...about } of findings.report(true, true).problems)
    tally.problem({ ...about, what: `after the import: ${what}` });
}
