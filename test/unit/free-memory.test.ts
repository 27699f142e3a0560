// Free memory: the machine's, or less if a control group around the process has a limit. Cached file pages count as free.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { freeMemory } from "../../src/lib/free-memory.js";

const mebibyte = 1024 * 1024;
const machine = "MemTotal:       24683656 kB\nMemFree:        17037400 kB\nMemAvailable:    8388608 kB\n";
const stat = (anonymous: number, inactive: number, active: number) =>
  `anon ${anonymous}\nfile 1\ninactive_file ${inactive * mebibyte}\nactive_file ${active * mebibyte}\nslab 2\n`;

interface Case {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly mebibytes: number;
}

const cases: readonly Case[] = [
  { name: "no control groups", files: { "/proc/meminfo": machine }, mebibytes: 8192 },
  { name: "a system without /proc", files: {}, mebibytes: 0 },
  {
    name: "version 2 without a limit",
    files: {
      "/proc/meminfo": machine,
      "/proc/self/cgroup": "0::/system.slice/gantry.service\n",
      "/sys/fs/cgroup/system.slice/gantry.service/memory.max": "max\n",
      "/sys/fs/cgroup/system.slice/gantry.service/memory.current": "1073741824\n",
    },
    mebibytes: 8192,
  },
  {
    name: "version 2, a container of 512 MiB whose page cache is full",
    files: {
      "/proc/meminfo": machine,
      "/proc/self/cgroup": "0::/\n",
      "/sys/fs/cgroup/memory.max": `${512 * mebibyte}\n`,
      "/sys/fs/cgroup/memory.high": "max\n",
      "/sys/fs/cgroup/memory.current": `${512 * mebibyte}\n`,
      "/sys/fs/cgroup/memory.stat": stat(150, 300, 50),
    },
    mebibytes: 350,
  },
  {
    name: "version 2, memory.high below memory.max",
    files: {
      "/proc/meminfo": machine,
      "/proc/self/cgroup": "0::/\n",
      "/sys/fs/cgroup/memory.max": `${1024 * mebibyte}\n`,
      "/sys/fs/cgroup/memory.high": `${512 * mebibyte}\n`,
      "/sys/fs/cgroup/memory.current": `${200 * mebibyte}\n`,
      "/sys/fs/cgroup/memory.stat": stat(200, 0, 0),
    },
    mebibytes: 312,
  },
  {
    name: "version 2, the group around it has the smaller limit",
    files: {
      "/proc/meminfo": machine,
      "/proc/self/cgroup": "0::/pods/one\n",
      "/sys/fs/cgroup/pods/one/memory.max": `${2048 * mebibyte}\n`,
      "/sys/fs/cgroup/pods/one/memory.current": `${100 * mebibyte}\n`,
      "/sys/fs/cgroup/pods/one/memory.stat": stat(100, 0, 0),
      "/sys/fs/cgroup/pods/memory.max": `${1024 * mebibyte}\n`,
      "/sys/fs/cgroup/pods/memory.current": `${900 * mebibyte}\n`,
      "/sys/fs/cgroup/pods/memory.stat": stat(800, 60, 40),
    },
    mebibytes: 224,
  },
  {
    name: "version 1, in a container",
    files: {
      "/proc/meminfo": machine,
      "/proc/self/cgroup": "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": `${512 * mebibyte}\n`,
      "/sys/fs/cgroup/memory/memory.usage_in_bytes": `${500 * mebibyte}\n`,
      "/sys/fs/cgroup/memory/memory.stat": `inactive_file 1\ntotal_inactive_file ${200 * mebibyte}\ntotal_active_file ${28 * mebibyte}\n`,
    },
    mebibytes: 240,
  },
  {
    name: "version 1, a limit around it",
    files: {
      "/proc/meminfo": machine,
      "/proc/self/cgroup": "4:memory:/a/b\n",
      "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "9223372036854771712\n",
      "/sys/fs/cgroup/memory/a/b/memory.usage_in_bytes": `${12 * mebibyte}\n`,
      "/sys/fs/cgroup/memory/a/b/memory.stat": `hierarchical_memory_limit ${512 * mebibyte}\n`,
    },
    mebibytes: 500,
  },
  {
    name: "more used than allowed",
    files: {
      "/proc/meminfo": machine,
      "/proc/self/cgroup": "0::/\n",
      "/sys/fs/cgroup/memory.max": `${100 * mebibyte}\n`,
      "/sys/fs/cgroup/memory.current": `${101 * mebibyte}\n`,
    },
    mebibytes: 0,
  },
];

for (const { name, files, mebibytes } of cases) {
  test(name, async () => {
    assert.equal(await freeMemory(async (path) => files[path]), mebibytes * mebibyte);
  });
}

test("this machine has free memory", { skip: process.platform !== "linux" }, async () => {
  assert.ok((await freeMemory((path) => readFile(path, "latin1").catch(() => undefined))) > mebibyte);
});
