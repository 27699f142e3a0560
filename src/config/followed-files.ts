/**
 * Files that are read again when they change. They are looked at by time rather than watched: a watch misses what a
 * container's orchestrator does when it exchanges the links above a file.
 */
import { open, stat } from "node:fs/promises";

export interface FollowOptions {
  /** Takes over what the files say, in the order of their paths. Rejects where that cannot be. */
  readonly take: (texts: readonly string[]) => Promise<void>;
  /** Told that the files have changed and cannot be taken over, once for each change: what was taken before goes on. */
  readonly onBroken: (error: unknown) => void;
  readonly everyMilliseconds?: number;
}

export interface Following {
  /** No file is taken over any more when this resolves. */
  stop(): Promise<void>;
}

/** Who is taken out of a file has to be out within seconds. */
const everyMillisecondsByDefault = 1_000;

/** Resolves when the files have been taken over for the first time, and rejects where they cannot be. */
export async function followFiles(paths: readonly string[], options: FollowOptions): Promise<Following> {
  const { take, onBroken, everyMilliseconds = everyMillisecondsByDefault } = options;
  const read = async () => take(await Promise.all(paths.map(readText)));
  // Before they are read, so that what changes meanwhile is seen the next time.
  let seen = await signatureOf(paths);
  let taken = seen;
  await read();
  let looking: Promise<void> | undefined;
  const look = async () => {
    const found = await signatureOf(paths);
    // Only what two looks have seen alike: whoever writes into a file may not be through with it.
    const settled = found === seen;
    seen = found;
    if (!settled || found === taken) return;
    taken = found;
    await read().catch(onBroken);
  };
  const timer = setInterval(() => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
  }, everyMilliseconds).unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await looking;
    },
  };
}

/** Ten thousand users or rules take a megabyte; what is larger is another file. */
const bytesMax = 16 * 1024 * 1024;

/** The text of a file of bearable size. */
export async function readText(path: string): Promise<string> {
  const handle = await open(path, "r");
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw new Error(`${path} is not a file`);
    if (found.size > bytesMax) throw new Error(`${path} has more than ${bytesMax} bytes`);
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

/** Differs where a file is another one, or may have been written to. */
async function signatureOf(paths: readonly string[]): Promise<string> {
  const signatures = paths.map((path) =>
    stat(path, { bigint: true }).then(
      ({ ino, size, mtimeNs, ctimeNs }) => `${ino} ${size} ${mtimeNs} ${ctimeNs}`,
      () => "not there",
    ),
  );
  return (await Promise.all(signatures)).join();
}
