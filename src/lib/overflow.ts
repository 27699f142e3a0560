/**
 * Where bytes go that come before there is a handler or a slab for them. One client may take half of the memory; what
 * exceeds that goes to files, which are few.
 */
import { ByteBudget } from "./byte-budget.js";
import { HeldBytes, type ScratchFile, type ScratchSpace } from "./held-bytes.js";

export interface OverflowOptions {
  readonly memory: ByteBudget;
  /** Opens a file that is gone when it is closed. Throws `storage-full`, `storage-read-only` or `storage-failed`. */
  readonly openFile: () => ScratchFile;
}

/** Each takes a descriptor. Only clients that send faster than this process reads need one, so one or two at a time. */
const filesMax = 32;

/** The most that came in one turn was 112 MiB. */
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

  /** Files that are open at the moment. */
  get files(): number {
    return this.#files;
  }

  /** For the bytes of one body of `client`. */
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
