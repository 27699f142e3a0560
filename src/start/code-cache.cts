/**
 * V8's compiled code of a bundle, in a file beside it: only those who can write the program can write it. A missing, damaged
 * or foreign file costs time, nothing else.
 */
import fs = require("node:fs");
import path = require("node:path");
import v8 = require("node:v8");
import vm = require("node:vm");
import zlib = require("node:zlib");

/** Ends the name of each file. */
const extension = ".code";

/** A file for each set of V8's options that this installation is started with, up to this number. */
const filesMax = 4;

/** How long a server that found no compiled code runs before it keeps its own: then it has compiled what it needs. */
const waitMilliseconds = 10_000;

/** V8 compares no more than the length of the source, and does not check for damage. */
const idLength = 64;
const crcLength = 8;

/** Writes into the folder of the program. Rejects if it cannot. */
class CodeCache {
  /** The names to try: for the usual options of V8, and for those of this process. */
  readonly #names: readonly string[];
  /** The bundle begins with a comment that has a hash of it. */
  readonly #id: string;
  /** Where the code of this process can be kept; absent if it was read from a file. */
  #vacant: string | undefined;

  constructor(
    readonly file: string,
    readonly source: string,
  ) {
    const name = `${file}.${process.versions.v8}-${process.arch}`;
    this.#names = ["", `-${v8.cachedDataVersionTag().toString(16)}`].map(
      (flags) => `${name}${flags}${extension}`,
    );
    this.#id = source.slice(2, 2 + idLength);
  }

  /** Whether this process compiled the bundle itself. */
  get isMissing(): boolean {
    return this.#vacant !== undefined;
  }

  compile(): vm.Script {
    let compiled: vm.Script | undefined;
    for (const name of this.#names) {
      const cachedData = this.#read(name);
      if (cachedData === undefined) {
        this.#vacant ??= name;
        continue;
      }
      compiled = new vm.Script(this.source, { filename: this.file, cachedData });
      if (compiled.cachedDataRejected) continue;
      this.#vacant = undefined;
      return compiled;
    }
    return compiled ?? new vm.Script(this.source, { filename: this.file });
  }

  /** Returns the compiled code in a file, or undefined if it is not of this bundle, or damaged. */
  #read(name: string): Buffer | undefined {
    let bytes: Buffer;
    try {
      bytes = fs.readFileSync(name);
    } catch {
      return undefined;
    }
    const code = bytes.subarray(idLength + crcLength);
    const header = bytes.toString("latin1", 0, idLength + crcLength);
    return header === this.#id + checksum(code) ? code : undefined;
  }

  /** Keeps what this process has compiled by now, for later starts. */
  async save(script: vm.Script): Promise<void> {
    const name = this.#vacant;
    if (name === undefined) return;
    const folder = path.dirname(name);
    const isOther = (other: string) => other.endsWith(extension) && other !== path.basename(name);
    if ((await fs.promises.readdir(folder)).filter(isOther).length >= filesMax) return;
    await fs.promises.access(folder, fs.constants.W_OK);
    const code = script.createCachedData();
    const unfinished = `${name}.${process.pid}`;
    await fs.promises.writeFile(unfinished, [this.#id, checksum(code), code], { flag: "wx" });
    await fs.promises.rename(unfinished, name);
  }

  /** Saves the code after a while. A folder that cannot be written is the operator's choice. */
  saveLater(script: vm.Script): void {
    setTimeout(() => void this.save(script).catch(() => {}), waitMilliseconds).unref();
  }
}

function checksum(code: Buffer): string {
  return zlib.crc32(code).toString(16).padStart(crcLength, "0");
}

export = CodeCache;
