/** Puts a small file in its place, complete: through the journal if there is one, or synced by itself. */
import { dirname } from "node:path";
import type { DoSteps, FileStep } from "./file-steps.js";
import { removeIfThere } from "./files.js";
import type { Journal } from "./journal/journal.js";
import { type JournalOperation, journaledBytesMax } from "./journal/record.js";
import type { Layout } from "./layout.js";
import type { Directories } from "./sync.js";

export interface PutParts {
  readonly layout: Layout;
  readonly directories: Directories;
  readonly doSteps: DoSteps;
  readonly journal: Journal | undefined;
}

interface PlannedPut {
  /** Remove it if the steps fail. */
  readonly temporary: string;
  readonly steps: readonly FileStep[];
  /** For the journal's record, in which `bytes` follow. */
  readonly operation: JournalOperation;
}

/** Plans to put the file in its place, instead of one with other bytes. A start that repeats the operation also creates `folder`. */
export function planPut(layout: Layout, path: string, bytes: Uint8Array, folder: string): PlannedPut {
  const temporary = layout.temporary();
  return {
    temporary,
    steps: [
      { do: "write", file: temporary, bytes },
      { do: "place", from: temporary, to: path },
    ],
    operation: {
      do: "file",
      path: layout.relative(path),
      bytes: bytes.length,
      at: Date.now(),
      beside: layout.relative(folder),
    },
  };
}

/**
 * Replaces the file, within `folder`, which is created if it is missing. The bytes are on stable storage when this resolves.
 * The names are, too, if it returns true; otherwise sync the directories, and then tell the journal.
 */
export async function putFile(
  { layout, directories, doSteps, journal }: PutParts,
  path: string,
  bytes: Uint8Array,
  folder = dirname(path),
): Promise<boolean> {
  const isJournaled = journal !== undefined && bytes.length <= journaledBytesMax;
  const put = async (): Promise<void> => {
    const { temporary, steps, operation } = planPut(layout, path, bytes, folder);
    try {
      if (!isJournaled) return await doSteps(steps);
      await journal.do([path], steps, { operations: [operation], bytes: [bytes] });
    } catch (error) {
      await removeIfThere(temporary).catch(() => {});
      throw error;
    }
  };
  await directories.within([folder], put, !isJournaled);
  return isJournaled;
}
