/** The parts of the storage other than blobs and uploads. They reject with the port's errors. */
import type { Storage } from "../storage.js";
import type { S3Client } from "./client.js";
import { withPortErrors } from "./failure.js";
import { S3Manifests } from "./manifests.js";
import { S3Notes } from "./notes.js";
import { S3Referrers } from "./referrers.js";
import { S3Repositories } from "./repositories.js";
import { S3Robots } from "./robots.js";
import { S3Secrets } from "./secrets.js";
import { type OnStray, StoredRecords } from "./stored-records.js";
import { S3History } from "./tag-history.js";
import { S3Tags } from "./tags.js";
import { S3Volume } from "./volume.js";

export type S3Metadata = Pick<
  Storage,
  "history" | "manifests" | "notes" | "referrers" | "repositories" | "robots" | "secrets" | "tags" | "volume"
>;

/**
 * `onStray` is called for each damaged or foreign object, each time that it is found; `onUnpruned` if the history of a tag could
 * not be pruned, which a collection does again.
 */
export function s3Metadata(
  client: S3Client,
  onStray: OnStray,
  onUnpruned: (error: unknown) => void = () => {},
): S3Metadata {
  const records = new StoredRecords(client, onStray);
  const history = new S3History(client, records, onUnpruned);
  return {
    history: withPortErrors(history),
    manifests: withPortErrors(new S3Manifests(client, records)),
    notes: withPortErrors(new S3Notes(client)),
    referrers: withPortErrors(new S3Referrers(client, records)),
    repositories: withPortErrors(new S3Repositories(client, records, history)),
    robots: withPortErrors(new S3Robots(client, records)),
    secrets: withPortErrors(new S3Secrets(client)),
    tags: withPortErrors(new S3Tags(client, records, history)),
    volume: withPortErrors(new S3Volume(client)),
  };
}
