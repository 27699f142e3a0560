/**
 * Starts a program within limits: its own memory cgroup (version 1 or 2), a number of descriptors, an unread standard error.
 * Needs root, and a writable cgroup file system.
 */
import { execFileSync } from "node:child_process";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Wrapper } from "./contenders.js";

export interface Limits {
  /** Memory of the program and its children, including page cache, which the kernel reclaims first. */
  readonly memoryBytes: number;
  /** RLIMIT_NOFILE. */
  readonly descriptorsMax?: number | undefined;
  readonly unreadErrors?: true | undefined;
}

interface Hierarchy {
  readonly folder: string;
  readonly limitFile: string;
}

function hierarchy(): Hierarchy | undefined {
  const version1 = "/sys/fs/cgroup/memory";
  if (existsSync(join(version1, "memory.limit_in_bytes")))
    return { folder: version1, limitFile: "memory.limit_in_bytes" };
  const version2 = "/sys/fs/cgroup";
  const control = join(version2, "cgroup.subtree_control");
  if (existsSync(control) && readFileSync(control, "utf8").split(/\s+/).includes("memory"))
    return { folder: version2, limitFile: "memory.max" };
  return undefined;
}

/** The reason why nothing can be confined here; `false` if it can. */
export function cannotConfine(): string | false {
  const found = hierarchy();
  if (found === undefined) return "this machine has no memory cgroups";
  try {
    accessSync(found.folder, constants.W_OK);
  } catch {
    return "creating a memory cgroup needs root and a writable cgroup file system";
  }
  return false;
}

export class Confinement implements Wrapper, AsyncDisposable {
  readonly #cgroup: string;

  private constructor(
    readonly limits: Limits,
    { folder, limitFile }: Hierarchy,
  ) {
    this.#cgroup = join(folder, `gantry-${process.pid}-${performance.now().toFixed(0)}`);
    mkdirSync(this.#cgroup);
    writeFileSync(join(this.#cgroup, limitFile), String(limits.memoryBytes));
  }

  /** Throws if no cgroup can be created. */
  static create(limits: Limits): Confinement {
    const found = hierarchy();
    if (found === undefined) throw new Error("this machine has no memory cgroups");
    return new Confinement(limits, found);
  }

  /** Writes a script into `folder` that becomes `program` within the limits, and returns the script's path. */
  wrap(program: string, folder: string): string {
    const { descriptorsMax, unreadErrors } = this.limits;
    const script = join(folder, "confined");
    const lines = ["#!/bin/sh", "set -e", `echo $$ > ${join(this.#cgroup, "cgroup.procs")}`];
    if (descriptorsMax !== undefined) lines.push(`ulimit -n ${descriptorsMax}`);
    if (unreadErrors === true) {
      const pipe = join(folder, "unread");
      execFileSync("mkfifo", [pipe]);
      // If a pipe is opened for reading as well, it can be written to without a reader.
      lines.push(`exec 2<>${pipe}`);
    }
    lines.push(`exec ${program} "$@"`);
    writeFileSync(script, `${lines.join("\n")}\n`, { mode: 0o755 });
    return script;
  }

  /** Removes the cgroup once its processes have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        rmdirSync(this.#cgroup);
        return;
      } catch (error) {
        if (attempt === 100) throw error;
        await sleep(50);
      }
    }
  }
}
