// Fills the small file system of an S3 server to the last byte, as another user of the same disk does.

import { closeSync, existsSync, openSync, statSync, truncateSync, writeSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { keys } from "../../src/storage/s3/keys.js";
import { reserveBytes } from "../../src/storage/s3/reserve.js";
import type { S3Server } from "./s3-server.js";

/** Larger than what a test leaves on a small file system: a file system of another size must not be filled. */
const filledBytesMax = 256 * 1024 * 1024;

const fileOf = ({ folder }: S3Server) => join(folder, "others");

export function fillStore(server: S3Server): void {
  const file = openSync(fileOf(server), "a");
  try {
    for (const size of [64 * 1024, 512, 1]) writeUntilFull(file, Buffer.alloc(size, "x"));
  } finally {
    closeSync(file);
  }
}

function writeUntilFull(file: number, bytes: Uint8Array): void {
  for (let written = 0; ; written += bytes.length) {
    if (written > filledBytesMax) throw new Error("this file system does not become full");
    try {
      // A write for which there is some room only is shorter.
      if (writeSync(file, bytes) < bytes.length) return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOSPC") return;
      throw error;
    }
  }
}

/** Like it, for a store that nodes use: leaves what they have given up, or may still give up. */
export function fillUsedStore(server: S3Server): void {
  fillStore(server);
  const file = fileOf(server);
  if (!existsSync(join(server.folder, server.bucket, keys.reserve)))
    truncateSync(file, statSync(file).size - reserveBytes);
}

/** Frees what `fillStore` has filled. */
export function unfillStore(server: S3Server): Promise<void> {
  return rm(fileOf(server));
}
