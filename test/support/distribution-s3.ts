// CNCF distribution 3 over a bucket, from a settings file as its operator has one.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { startDaemon } from "../clients/support.js";
import { freePort } from "./free-port.js";
import type { S3Server } from "./s3-server.js";

export interface BucketDistribution extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** `127.0.0.1:PORT`, as in an image's name. */
  readonly host: string;
}

/** Starts it, with its settings in `file`, which remains. */
export async function startBucketDistribution(
  server: S3Server,
  file: string,
  { bucket, rootdirectory }: { readonly bucket: string; readonly rootdirectory: string },
): Promise<BucketDistribution> {
  const host = `127.0.0.1:${await freePort()}`;
  await writeFile(
    file,
    `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  s3:
    accesskey: ${server.accessKey}
    secretkey: ${server.secretKey}
    region: ${server.region}
    regionendpoint: ${server.endpoint}
    forcepathstyle: true
    secure: false
    bucket: ${bucket}
    rootdirectory: ${rootdirectory}
    loglevel: "off"
  redirect: {disable: true}
  delete: {enabled: true}
  cache: {blobdescriptor: inmemory}
  maintenance: {readonly: {enabled: false}}
http: {addr: "${host}", secret: asecret}
`,
  );
  const daemon = await startDaemon("registry", ["serve", file], async () => {
    assert.notEqual((await fetch(`http://${host}/v2/`)).status, 503);
  });
  return { url: `http://${host}`, host, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}
