/** The S3 servers of the tests: what they must be able to do, and that their requests are counted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { countByKind } from "../support/s3-requests.js";
import { needsMinio, needsVersitygw, startS3Server } from "../support/s3-server.js";

const engines = [
  { engine: "versitygw", skip: needsVersitygw },
  { engine: "minio", skip: needsMinio },
] as const;

for (const { engine, skip } of engines) {
  test(`${engine} counts what it answers, with methods and kinds`, { skip }, async () => {
    await using server = await startS3Server(engine);
    const client = server.client("folder/");
    await client.put("a b", Buffer.from("bytes"));
    await client.get("a b");
    await client.head("missing");
    const upload = await client.createMultipart("large");
    await client.putPart("large", upload, 1, Buffer.from("part"));
    await client.abortMultipart("large", upload);
    for await (const _ of client.list(""));
    await client.delete("a b");
    const requests = await server.requests();
    assert.deepEqual(countByKind(requests), {
      "PUT PutObject": 1,
      "GET GetObject": 1,
      "HEAD HeadObject": 1,
      "POST CreateMultipartUpload": 1,
      "PUT UploadPart": 1,
      "DELETE AbortMultipartUpload": 1,
      "GET ListObjectsV2": 1,
      "DELETE DeleteObject": 1,
    });
    assert.deepEqual(
      requests.slice(0, 3).map(({ status }) => status),
      [200, 200, 404],
    );
    assert.match(requests[0]?.path ?? "", /^\/gantry\/folder\/a(%20| )b$/);
    await server.resetRequests();
    assert.deepEqual(await server.requests(), []);
  });

  test(`${engine} keeps its data and its port when it is killed and started again`, { skip }, async () => {
    await using server = await startS3Server(engine);
    const client = server.client();
    await client.put("kept", Buffer.from("bytes"));
    await server.kill();
    await assert.rejects(fetch(server.endpoint));
    await server.start();
    assert.equal((await client.get("kept"))?.bytes.toString(), "bytes");
  });

  test(`${engine} answers nothing while it is frozen`, { skip }, async () => {
    await using server = await startS3Server(engine);
    await server.pause();
    await assert.rejects(fetch(server.endpoint, { signal: AbortSignal.timeout(300) }));
    server.resume();
    assert.notEqual((await fetch(server.endpoint)).status, 0);
  });
}
