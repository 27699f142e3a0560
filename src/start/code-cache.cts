/**
 * V8's compiled code of a bundle, in a file beside it: only those who can write the program can write it. A missing or damaged
 * file costs time, nothing else.
 */
import fs = require("node:fs");
import path = require("node:path");
import vm = require("node:vm");
import zlib = require("node:zlib");

/** Ends the name of each file. */
const extension = ".code";

/** Maximum number of files: one for each version of Node and set of V8's options that this program is started with. */
const filesMax = 5;

/** How long a server that found no compiled code runs before it keeps its own: then it has compiled what it needs. */
const waitMilliseconds = 10_000;

/** The header: the bundle's hash, because V8 compares only its length, and a checksum, because V8 does not detect damage. */
const idLength = 64;
const crcLength = 8;

class CodeCache {
  readonly #name: string;
  /** The bundle begins with a comment that has its hash. */
  readonly #id: string;
  #isFound = false;
  #isUsed = false;

  constructor(
    readonly file: string,
    readonly source: string,
  ) {
    const { versions, arch } = process;
    this.#name = `${file}.${versions.v8}-${arch}-${optionsOfV8()}${extension}`;
    this.#id = source.slice(2, 2 + idLength);
  }

  /** Whether V8 uses code that it compiled before. */
  get isUsed(): boolean {
    return this.#isUsed;
  }

  compile(): vm.Script {
    const cachedData = this.#read();
    const script = new vm.Script(this.source, { filename: this.file, cachedData });
    this.#isFound = cachedData !== undefined;
    this.#isUsed = this.#isFound && script.cachedDataRejected === false;
    return script;
  }

  /** Returns the compiled code, or undefined if it is missing, of another bundle, or damaged. */
  #read(): Buffer | undefined {
    let bytes: Buffer;
    try {
      bytes = fs.readFileSync(this.#name);
    } catch {
      return undefined;
    }
    const code = bytes.subarray(idLength + crcLength);
    const header = bytes.toString("latin1", 0, idLength + crcLength);
    return header === this.#id + checksum(code) ? code : undefined;
  }

  /** Keeps what this process has compiled by now, for later starts, if no code was found. Rejects if it cannot be written. */
  async save(script: vm.Script): Promise<void> {
    if (this.#isFound) return;
    const folder = path.dirname(this.#name);
    const isOther = (name: string) => name.endsWith(extension) && name !== path.basename(this.#name);
    if ((await fs.promises.readdir(folder)).filter(isOther).length >= filesMax) return;
    await fs.promises.access(folder, fs.constants.W_OK);
    const code = script.createCachedData();
    const unfinished = `${this.#name}.${process.pid}`;
    try {
      // One of a process that was killed may be there: in a container, each has the same ID.
      await fs.promises.writeFile(unfinished, [this.#id, checksum(code), code]);
      await fs.promises.rename(unfinished, this.#name);
    } catch (error) {
      await fs.promises.rm(unfinished, { force: true });
      throw error;
    }
  }

  /** Saves the code after a while. A folder that cannot be written is the operator's choice. */
  saveLater(script: vm.Script): void {
    if (this.#isFound) return;
    setTimeout(() => void this.save(script).catch(() => {}), waitMilliseconds).unref();
  }
}

function checksum(code: Buffer): string {
  return zlib.crc32(code).toString(16).padStart(crcLength, "0");
}

/**
 * Returns a text that differs between sets of V8's options for which V8 refuses each other's code, such as `--max-old-space-size` with
 * Node 20: it is in the head of all compiled code. `v8.cachedDataVersionTag` also differs between processors, which do not matter.
 */
function optionsOfV8(): string {
  return new vm.Script("").createCachedData().toString("hex", 12, 16);
}

export = CodeCache;
