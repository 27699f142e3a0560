/**
 * Loads the program, which `deploy/bundle` bundles into one file (decision 0055). V8's compiled code is kept beside it,
 * because reading and compiling 400 modules takes longer than everything else that a start does.
 */
import fs = require("node:fs");
import nodeModule = require("node:module");
import path = require("node:path");
import type vm = require("node:vm");
import CodeCache = require("./code-cache.cjs");
import stackTraces = require("./stack-traces.cjs");

/** The exports of `src/cli/main.ts`. */
type Main = typeof import("../cli/main.js", { with: { "resolution-mode": "import" }});

/** The arguments of a CommonJS module. The bundle is an expression, a function of these. */
type Evaluate = (
  exports: object,
  require: NodeJS.Require,
  module: { exports: object },
  filename: string,
  dirname: string,
) => void;

class Program {
  readonly #cache: CodeCache;
  readonly #script: vm.Script;
  readonly exports: Main;

  /** Evaluates the modules of the program, without running a command. */
  constructor(readonly file: string) {
    stackTraces.nameSources(path.dirname(file));
    // The bundle is ASCII: one byte for each character.
    this.#cache = new CodeCache(file, fs.readFileSync(file, "latin1"));
    this.#script = this.#cache.compile();
    const module = { exports: {} };
    const evaluate = this.#script.runInThisContext() as Evaluate;
    evaluate(module.exports, nodeModule.createRequire(file), module, file, path.dirname(file));
    this.exports = module.exports as Main;
  }

  /** Whether V8 compiled the program in this process. */
  get wasCompiled(): boolean {
    return !this.#cache.isUsed;
  }

  /** Keeps the compiled code for later starts. */
  saveCode(): Promise<void> {
    return this.#cache.save(this.#script);
  }

  saveCodeLater(): void {
    this.#cache.saveLater(this.#script);
  }
}

export = Program;
