/** A blob to be pulled: pushed to a registry, or written as a file for nginx, which accepts no pushes. */
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Contender } from "./contenders.js";
import { Connection } from "./driver/connection.js";
import { verify } from "./driver/drain.js";
import type { Payload } from "./driver/payload.js";
import { blobPath, pushBlob } from "./driver/registry.js";

/** Stores the blob, then reads it once in full: the untimed check, which also warms the page cache. */
export async function placeBlob(contender: Contender, repository: string, payload: Payload): Promise<void> {
  if (contender.name === "nginx") {
    await pipeline(payload.bytes(), createWriteStream(join(contender.dataFolder, fileOf(payload))));
  } else {
    using connection = await Connection.open(contender);
    await pushBlob(connection, repository, payload, "put");
  }
  await verify(contender, placeOf(contender, repository, payload), payload.digest);
}

/** The path of its requests. */
export function placeOf({ name }: Contender, repository: string, payload: Payload): string {
  return name === "nginx" ? `/${fileOf(payload)}` : blobPath(repository, payload.digest);
}

function fileOf({ length }: Payload): string {
  return `blob-${length}`;
}
