/**
 * A file whose content is in force while the server runs: read when it changes, and where it cannot be read
 * or understood the content before stays in force. Looks at it by the clock instead of being told by the
 * system: editors put a new file in place of the old one, Kubernetes turns a link further up, network file
 * systems tell nobody.
 */
import { stat } from "node:fs/promises";

/** Who is taken out of a file is out within that time, and that of a read. */
const lookEverySeconds = 1;

export interface LiveFileOptions<T> {
  readonly paths: readonly string[];
  /** What the files say now. Rejects where they are broken. */
  readonly read: () => Promise<T>;
  readonly onChange?: (value: T) => void;
  /** Told once of each state of the files that cannot be used. */
  readonly onBroken: (error: unknown) => void;
}

export class LiveFile<T> {
  readonly #timer: NodeJS.Timeout;
  #looking = false;

  private constructor(
    readonly options: LiveFileOptions<T>,
    private current: T,
    private seen: string,
  ) {
    this.#timer = setInterval(() => void this.look(), lookEverySeconds * 1000).unref();
  }

  /** Rejects where the files are broken at the start: then there is nothing that could stay in force. */
  static async open<T>(options: LiveFileOptions<T>): Promise<LiveFile<T>> {
    // Before they are read: what changes meanwhile is read again.
    const seen = await stateOf(options.paths);
    return new LiveFile(options, await options.read(), seen);
  }

  /** What is in force. */
  get value(): T {
    return this.current;
  }

  /** Reads the files again if they have changed. Never rejects. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const state = await stateOf(this.options.paths);
      if (state === this.seen) return;
      this.seen = state;
      this.current = await this.options.read();
      this.options.onChange?.(this.current);
    } catch (error) {
      this.options.onBroken(error);
    } finally {
      this.#looking = false;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Differs whenever one of the files was written, replaced, or came or went. */
async function stateOf(paths: readonly string[]): Promise<string> {
  const states = await Promise.all(
    paths.map(async (path) => {
      try {
        const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
        return `${ino}/${size}/${mtimeNs}/${ctimeNs}`;
      } catch (error) {
        return error instanceof Error ? (error as NodeJS.ErrnoException).code : String(error);
      }
    }),
  );
  return states.join(" ");
}
