/**
 * Holds bytes that arrive before there is a handler or a slab for them. A client may use half of the memory; bytes beyond
 * that go to scratch files, of which a client may have half.
 */
import { ByteBudget } from "./byte-budget.js";
import { type BoundedFile, HeldBytes, type ScratchFile } from "./held-bytes.js";
import { Places } from "./places.js";

export interface OverflowOptions {
  readonly memory: ByteBudget;
  /** Opens a scratch file. Throws `storage-full`, `storage-read-only` or `storage-failed`. */
  readonly openFile: () => ScratchFile;
}

/** Each takes a descriptor. Only clients that send faster than this process reads need one: one or two at a time. */
const filesMax = 32;
const filesPerClientMax = filesMax / 2;

/** The largest burst measured was 112 MiB. */
const fileBytesMax = 4 * 1024 ** 3;

export class Overflow {
  readonly memory: ByteBudget;
  readonly #openFile: () => ScratchFile;
  readonly #fileBytes = new ByteBudget(fileBytesMax, fileBytesMax / 2);
  readonly #places = new Places(filesMax, filesPerClientMax);

  constructor({ memory, openFile }: OverflowOptions) {
    this.memory = memory;
    this.#openFile = openFile;
  }

  /** Number of open scratch files. */
  get files(): number {
    return this.#places.taken;
  }

  /** Returns a holder for one body of `client`. */
  hold(client: string): HeldBytes {
    return new HeldBytes(this.memory.account(client), () => this.#open(client));
  }

  #open(client: string): BoundedFile | undefined {
    if (!this.#places.enter(client)) return undefined;
    const file = this.#openOrLeave(client);
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
        this.#places.leave(client);
        account.give(taken);
        file.close();
      },
    };
  }

  #openOrLeave(client: string): ScratchFile {
    try {
      return this.#openFile();
    } catch (error) {
      this.#places.leave(client);
      throw error;
    }
  }
}
