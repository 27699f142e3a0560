/**
 * Holds bytes that arrive before there is a handler or a slab for them. A client may use half of the memory; bytes beyond
 * that go to scratch files, whose number is bounded.
 */
import { ByteBudget } from "./byte-budget.js";
import { HeldBytes, type ScratchFile, type ScratchSpace } from "./held-bytes.js";

export interface OverflowOptions {
  readonly memory: ByteBudget;
  /** Opens a scratch file. Throws `storage-full`, `storage-read-only` or `storage-failed`. */
  readonly openFile: () => ScratchFile;
}

/** Each takes a descriptor. Only clients that send faster than this process reads need one: one or two at a time. */
const filesMax = 32;

/** The largest burst measured was 112 MiB. */
const fileBytesMax = 4 * 1024 ** 3;

export class Overflow {
  readonly memory: ByteBudget;
  readonly #openFile: () => ScratchFile;
  readonly #fileBytes = new ByteBudget(fileBytesMax, fileBytesMax / 2);
  #files = 0;

  constructor({ memory, openFile }: OverflowOptions) {
    this.memory = memory;
    this.#openFile = openFile;
  }

  /** Number of open scratch files. */
  get files(): number {
    return this.#files;
  }

  /** Returns a holder for one body of `client`. */
  hold(client: string): HeldBytes {
    return new HeldBytes(this.memory.account(client), this.#spaceOf(client));
  }

  #spaceOf(client: string): ScratchSpace {
    const { take, give } = this.#fileBytes.account(client);
    return { open: () => this.#open(), take, give };
  }

  #open(): ScratchFile | undefined {
    if (this.#files >= filesMax) return undefined;
    const file = this.#openFile();
    this.#files++;
    const close = () => {
      this.#files--;
      file.close();
    };
    return { write: file.write.bind(file), read: file.read.bind(file), close };
  }
}
