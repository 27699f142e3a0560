/**
 * Holds bytes that arrive before there is a handler or a slab for them. A client may use half of the memory; bytes beyond
 * that go to scratch files, whose number is bounded.
 */
import { ByteBudget } from "./byte-budget.js";
import { type BoundedFile, HeldBytes, type ScratchFile } from "./held-bytes.js";

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
    return new HeldBytes(this.memory.account(client), () => this.#open(client));
  }

  #open(client: string): BoundedFile | undefined {
    if (this.#files >= filesMax) return undefined;
    const file = this.#openFile();
    this.#files++;
    const account = this.#fileBytes.account(client);
    let taken = 0;
    return {
      write: (bytes, position) => {
        if (!account.take(bytes.length)) return false;
        taken += bytes.length;
        file.write(bytes, position);
        return true;
      },
      read: (into, position) => file.read(into, position),
      close: () => {
        this.#files--;
        account.give(taken);
        file.close();
      },
    };
  }
}
