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
    const temporary = layout.temporary();
    const steps: FileStep[] = [
      { do: "write", file: temporary, bytes },
      { do: "rename", from: temporary, to: path },
    ];
    try {
      if (!isJournaled) return await doSteps(steps);
      const operations: JournalOperation[] = [
        {
          do: "file",
          path: layout.relative(path),
          bytes: bytes.length,
          at: Date.now(),
          beside: layout.relative(folder),
        },
      ];
      await journal.do([path], steps, { operations, bytes: [bytes] });
    } catch (error) {
      await removeIfThere(temporary).catch(() => {});
      throw error;
    }
  };
  await directories.within([folder], put, !isJournaled);
  return isJournaled;
}
