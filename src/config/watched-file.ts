/**
 * A file of the operator's that may change while the server runs. It is read again every half second: editors
 * put another file in its place, Kubernetes turns a symbolic link above it, network file systems tell of nothing,
 * and a read of some kilobytes costs less than all of that. What cannot be used leaves what was used before.
 */
import { open } from "node:fs/promises";
import { describeError } from "../domain/errors.js";
import { ConfigError } from "./errors.js";

export interface WatchedFileOptions {
  readonly path: string;
  /** Takes the text into use, or throws and leaves everything as it was. */
  readonly use: (text: string) => void;
  /** Told of each change that is in use. */
  readonly onReload: () => void;
  /** Told once of each state in which the file cannot be used. */
  readonly onBroken: (error: Error) => void;
  readonly lookEveryMilliseconds?: number;
}

export interface WatchedFile {
  close(): void;
}

const lookEveryMillisecondsDefault = 500;

/** Ten thousand users or rules take a megabyte; what is larger is another file. */
const bytesMax = 16 * 1024 * 1024;

/** Rejects with `ConfigError` where the file cannot be used at the start. */
export async function watchFile(options: WatchedFileOptions): Promise<WatchedFile> {
  const { path, use, lookEveryMilliseconds = lookEveryMillisecondsDefault } = options;
  try {
    const text = await readText(path);
    use(text);
    return new Watch(options, text, lookEveryMilliseconds);
  } catch (error) {
    throw new ConfigError(messageOf(path, error));
  }
}

class Watch implements WatchedFile {
  /** What the last look saw. */
  #seen: string;
  /** What was last tried, be it in use or broken. */
  #tried: string;
  /** Why the file could not be read at the last look. */
  #unread: string | undefined;
  #looking = false;
  readonly #timer: NodeJS.Timeout;

  constructor(
    readonly options: WatchedFileOptions,
    text: string,
    everyMilliseconds: number,
  ) {
    this.#seen = text;
    this.#tried = text;
    this.#timer = setInterval(() => void this.#look(), everyMilliseconds).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    // A disk that hangs must not pile up looks.
    if (this.#looking) return;
    this.#looking = true;
    try {
      this.#take(await readText(this.options.path));
      this.#unread = undefined;
    } catch (error) {
      const message = messageOf(this.options.path, error);
      if (message !== this.#unread) this.options.onBroken(new Error(message, { cause: error }));
      this.#unread = message;
    } finally {
      this.#looking = false;
    }
  }

  /** Only what two looks have seen alike: whoever writes into the file may not be through with it. */
  #take(text: string): void {
    const settled = text === this.#seen;
    this.#seen = text;
    if (!settled || text === this.#tried) return;
    this.#tried = text;
    const { path, use, onReload, onBroken } = this.options;
    try {
      use(text);
    } catch (error) {
      onBroken(new Error(messageOf(path, error), { cause: error }));
      return;
    }
    onReload();
  }
}

function messageOf(path: string, error: unknown): string {
  const message = describeError(error);
  return message.includes(path) ? message : `${path}: ${message}`;
}

async function readText(path: string): Promise<string> {
  const handle = await open(path, "r");
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw new Error("not a file");
    if (found.size > bytesMax) throw new Error(`larger than ${bytesMax} bytes`);
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}
