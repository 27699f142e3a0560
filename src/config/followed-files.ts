/**
 * Reloads files when they change. It polls, because a watch misses it when a container orchestrator exchanges the links
 * above a file.
 */
import { stat } from "node:fs/promises";
import { endsWithin } from "../lib/ends-within.js";
import { readText } from "./text-file.js";

export interface FollowOptions {
  /** Applies the texts of the files, in the order of their paths. Rejects if they cannot be used. */
  readonly take: (texts: readonly string[]) => Promise<void>;
  /** Called once for each change that cannot be used; the previous texts stay in effect. */
  readonly onBroken: (error: unknown) => void;
  readonly everyMilliseconds?: number;
}

export interface Following {
  /** Once it resolves, no file is reloaded any more. Does not wait long for a file system that hangs. */
  stop(): Promise<void>;
}

/** A user who is removed from a file must lose access within seconds. */
const everyMillisecondsByDefault = 1_000;

/** Time that a running reload has to end before a stop. */
const stopMilliseconds = 2_000;

/** Resolves after the files have been applied for the first time. Rejects if they cannot be used. */
export async function followFiles(paths: readonly string[], options: FollowOptions): Promise<Following> {
  const { take, onBroken, everyMilliseconds = everyMillisecondsByDefault } = options;
  let stopped = false;
  const read = async () => {
    const texts = await Promise.all(paths.map(readText));
    if (!stopped) await take(texts);
  };
  // Taken before reading, so that the next poll sees a change made meanwhile.
  let seen = await signatureOf(paths);
  let taken = seen;
  await read();
  let looking: Promise<void> | undefined;
  const look = async () => {
    const found = await signatureOf(paths);
    // Wait until two polls see the same file: a writer may not have finished.
    const settled = found === seen;
    seen = found;
    if (!settled || found === taken) return;
    taken = found;
    await read().catch((error: unknown) => {
      if (!stopped) onBroken(error);
    });
  };
  const timer = setInterval(() => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
  }, everyMilliseconds).unref();
  return {
    stop: async () => {
      clearInterval(timer);
      if (looking !== undefined) await endsWithin(stopMilliseconds, looking);
      stopped = true;
    },
  };
}

/** Changes if a file is replaced or may have been written to. */
async function signatureOf(paths: readonly string[]): Promise<string> {
  const signatures = paths.map((path) =>
    stat(path, { bigint: true }).then(
      ({ ino, size, mtimeNs, ctimeNs }) => `${ino} ${size} ${mtimeNs} ${ctimeNs}`,
      () => "not there",
    ),
  );
  return (await Promise.all(signatures)).join();
}
