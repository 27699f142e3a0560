/**
 * Starts a program for which each sync of a file or file system takes longer, as on a slower disk: strace delays the end of the system
 * call and lets all others pass without a stop. Unlike a preloaded library, that also works with Go, which calls the kernel itself.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Wrapper } from "./contenders.js";

/** A Debian package of this name has it. */
export const delayingProgram = "strace";

const syncs = "fsync,fdatasync,syncfs,sync_file_range,msync";

export class SlowSyncs implements Wrapper {
  constructor(readonly addedMilliseconds: number) {}

  /** Writes a script into `folder` that becomes `program` with slower syncs, and returns the script's path. */
  wrap(program: string, folder: string): string {
    const script = join(folder, "slow-syncs");
    const options = [
      // The program keeps the script's process ID, and its threads and children are traced as well.
      "-D -f --seccomp-bpf -qq -o /dev/null",
      `-e trace=${syncs}`,
      `-e inject=${syncs}:delay_exit=${this.addedMilliseconds}ms`,
    ];
    writeFileSync(script, `#!/bin/sh\nexec ${delayingProgram} ${options.join(" ")} ${program} "$@"\n`, {
      mode: 0o755,
    });
    return script;
  }
}
