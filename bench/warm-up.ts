/** Common preparation for pushes of large blobs. */
import { discardLargeFiles } from "./arena.js";
import type { Contender } from "./contenders.js";
import { Connection } from "./driver/connection.js";
import { verify } from "./driver/drain.js";
import { Payload } from "./driver/payload.js";
import { blobPath, type PushShape, pushBlob } from "./driver/registry.js";
import { mebibyte } from "./units.js";

/** It also checks that the measured push works: the content must be returned. */
export async function warmUpPush(contender: Contender, repository: string, shape: PushShape): Promise<void> {
  using connection = await Connection.open(contender);
  const payload = new Payload(64 * mebibyte);
  await pushBlob(connection, repository, payload, shape);
  await verify(contender, blobPath(repository, payload.digest), payload.digest);
  await discardLargeFiles(contender.dataFolder);
}
