/** Opens the journal of a store: repeats what a crash has left in it, and starts it again if it is to be used. */
import { randomBytes } from "node:crypto";
import { lstat, mkdir, rm, writeFile } from "node:fs/promises";
import { z } from "zod";
import { now } from "../../../lib/clock.js";
import type { CheckedFiles } from "../checked-files.js";
import { errorCode, ifThere } from "../files.js";
import type { Layout } from "../layout.js";
import type { StorePeers } from "../peers.js";
import type { Quarantine } from "../quarantine.js";
import type { Directories } from "../sync.js";
import { Journal, type JournalParts } from "./journal.js";
import { type Mark, MarkFile } from "./mark.js";
import { readSince } from "./read-since.js";
import { Replay } from "./replay.js";
import { demandFiles, recordsOf, removeSegments, type StoredJournal, segmentFiles } from "./segments.js";
import { brokenName, markName, type SharedState, slotsPerProcess } from "./shared.js";
import { SyncAll } from "./sync-all.js";

export interface JournalOptions extends Omit<JournalParts, "own" | "onError"> {
  readonly directories: Directories;
  readonly checkedFiles: CheckedFiles;
  readonly quarantine: Quarantine;
  readonly readOnly: boolean;
  /** Whether to use it from now on. */
  readonly used: boolean;
  /** Called again and again while changes are repeated. */
  readonly onReplaying: (replaying: Replaying) => void;
  readonly onReplayed: (replayed: Replayed) => void;
  readonly onError: (error: unknown, message: string) => void;
}

/** Some 20,000 records of missing files take as long; a busy server with many workers may leave 300,000. */
const progressEverySeconds = 10;

export interface Replaying {
  /** Number of records that are done. */
  readonly done: number;
  readonly records: number;
}

export interface Replayed {
  readonly records: number;
  readonly milliseconds: number;
}

/** Returns `undefined` if it is not to be used. Rejects if there is something to repeat that cannot be. */
export async function openJournal(options: JournalOptions): Promise<Journal | undefined> {
  const { layout, directories, readOnly, used } = options;
  const { blobsRoot, manifestsRoot, contentRoot, journalRoot } = layout;
  const syncAll = new SyncAll([blobsRoot, manifestsRoot, contentRoot, journalRoot], directories.syncs);
  await demandFiles(journalRoot);
  const isThere = (await segmentFiles(journalRoot)).length > 0;
  const path = `${journalRoot}/${markName}`;
  if (!isThere && !used) return undefined;
  const mark = await openMark(path, options);
  try {
    const found = await readSince(journalRoot, mark, (why) => reportDamage(options, path, why));
    if (mark === undefined || readOnly) {
      if (found.records > 0) throw new Error(unreplayed(found, journalRoot));
      await mark?.close();
      return undefined;
    }
    if (found.records > 0) await replay(found, mark, syncAll, options).finally(() => syncAll.close());
    await keepDamaged(found, options);
    if (used) return await begin(found, mark, syncAll, options);
    await mark.close();
    await removeJournal(layout, directories);
    return undefined;
  } catch (error) {
    await mark?.close().catch(() => {});
    throw error;
  }
}

function unreplayed({ records }: StoredJournal, folder: string): string {
  return `a crash has left changes in ${folder} (${records}), and the file system is read-only: start Gantry once on a writable one, which completes them`;
}

/**
 * Without a readable mark, all records since the last start count: removed objects may come back, and so may earlier targets of
 * tags whose last records are overwritten. Returns `undefined` if the file is missing and the store read-only.
 */
async function openMark(path: string, options: JournalOptions): Promise<MarkFile | undefined> {
  const { layout, directories, readOnly } = options;
  const hadSegments = (await segmentFiles(layout.journalRoot)).length > 0;
  if (!readOnly) {
    await mkdir(layout.journalRoot).catch((error: unknown) => {
      if (errorCode(error) !== "EEXIST") throw error;
    });
    await directories.ensure(layout.journalRoot);
  }
  const file = await MarkFile.open(path, !readOnly);
  if (file?.mark === undefined && hadSegments)
    reportDamage(
      options,
      path,
      "missing or damaged, so all changes in the journal were repeated: removed content may be back, and tags may have moved back",
    );
  return file;
}

async function replay(
  found: StoredJournal,
  mark: MarkFile,
  syncAll: SyncAll,
  { layout, directories, checkedFiles, onReplaying, onReplayed }: JournalOptions,
): Promise<void> {
  const startedAt = now();
  const { records, generation, sequence } = found;
  const broken = `${layout.journalRoot}/${brokenName}`;
  const all = (await ifThere(lstat(broken))) !== undefined;
  const name = (path: string, why: string) => checkedFiles.name(path, why);
  const repeating = new Replay(layout, directories, found, all, name);
  const report = () => onReplaying({ done: repeating.done, records });
  const reporting = setInterval(report, progressEverySeconds * 1000);
  try {
    await repeating.run().catch((cause: unknown) => {
      const isFull = ["ENOSPC", "EDQUOT"].includes(errorCode(cause) ?? "");
      throw new Error(
        `the changes in ${layout.journalRoot}, which a crash has left, cannot be completed: ${isFull ? "free space outside of the store" : "mend the cause"}, start again, and do not remove that folder, because it has acknowledged pushes`,
        { cause },
      );
    });
    await syncAll
      .run(() => pathsOf(layout, found))
      .catch(async (error: unknown) => {
        await writeFile(broken, "").catch(() => {});
        throw error;
      });
  } finally {
    clearInterval(reporting);
  }
  await mark.write({ generation: generation + 1, sequence, isClosed: false, secret: newSecret() });
  await rm(broken, { force: true });
  onReplayed({ records, milliseconds: now() - startedAt });
}

/** Moves damaged segments out of the way, for inspection. */
async function keepDamaged({ damaged }: StoredJournal, options: JournalOptions): Promise<void> {
  for (const file of damaged) {
    await options.quarantine.take(file);
    reportDamage(
      options,
      file,
      "damaged, and moved to quarantine: changes of the last minute before the crash are lost. gantry verify names images that lack content, but not tags that are missing or have an earlier target: push again what was pushed in that minute",
    );
  }
}

function reportDamage({ onError }: JournalOptions, path: string, why: string): void {
  onError(new Error(`${path}: ${why}`), "the journal is damaged");
}

async function* pathsOf(layout: Layout, journal: StoredJournal): AsyncIterable<string> {
  for await (const { operations } of recordsOf(journal))
    for (const operation of operations) if ("path" in operation) yield `${layout.root}/${operation.path}`;
}

async function begin(
  found: StoredJournal,
  mark: MarkFile,
  syncAll: SyncAll,
  options: JournalOptions,
): Promise<Journal> {
  const { layout, directories, state, peers } = options;
  const next: Mark = {
    generation: Math.max(found.generation, mark.mark?.generation ?? 0) + 1,
    sequence: Math.max(found.sequence, mark.mark?.sequence ?? 0),
    isClosed: false,
    secret: newSecret(),
  };
  await mark.write(next);
  await rm(`${layout.journalRoot}/${brokenName}`, { force: true });
  // The name of the mark, too.
  await directories.sync(layout.journalRoot);
  // Without a mark, their records would count again.
  await removeSegments(layout.journalRoot, () => true);
  state.secret = next.secret;
  state.set("generation", next.generation);
  state.set("mark", next.generation);
  state.set("sequence", next.sequence);
  const journal = journalOf(options, { mark, syncAll });
  if (peers !== undefined) admitOthers(journal, state, peers);
  return journal;
}

const admission = z.object({ secret: z.string(), mark: z.number(), firstSlot: z.number() });

/** Gives each other process slots of its own. */
function admitOthers(journal: Journal, state: SharedState, peers: StorePeers): void {
  const slots = new Map<string, number>();
  let processes = 1;
  peers.answer("join journal", (digits): z.output<typeof admission> => {
    journal.confirm();
    const firstSlot = processes++ * slotsPerProcess;
    slots.set(String(digits), firstSlot);
    return { secret: String(state.secret), mark: state.get("mark"), firstSlot };
  });
  peers.onCrashed(async (digits) => {
    const firstSlot = slots.get(digits);
    slots.delete(digits);
    if (firstSlot !== undefined) await journal.dropProcess(firstSlot);
  });
}

/** Opens the journal of a process that is not the first one. Call it before its workers write records. */
export async function joinJournal(options: JournalOptions, peers: StorePeers): Promise<Journal | undefined> {
  if (!options.used) return undefined;
  const { state } = options;
  const { secret, mark, firstSlot } = admission.parse(await peers.askFirst("join journal", peers.digits));
  state.secret = BigInt(secret);
  state.raise("generation", mark);
  state.set("mark", mark);
  state.set("firstSlot", firstSlot);
  return journalOf(options);
}

function journalOf(options: JournalOptions, own?: JournalParts["own"]): Journal {
  const onError = (error: unknown) => options.onError(error, "a checkpoint of the journal failed");
  return new Journal({ ...options, own, onError });
}

function newSecret(): bigint {
  return randomBytes(8).readBigUInt64LE();
}

async function removeJournal(layout: Layout, directories: Directories): Promise<void> {
  // First the segments: without a mark, all their records would count.
  await removeSegments(layout.journalRoot, () => true);
  await directories.sync(layout.journalRoot);
  for (const name of [markName, brokenName]) await rm(`${layout.journalRoot}/${name}`, { force: true });
}
