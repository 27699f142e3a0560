// What the client of S3 stores makes of their answers. A server with prepared answers stands for the store; test/cluster has
// real ones.

import assert from "node:assert/strict";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { S3Client } from "../../src/storage/s3/client.js";
import { copyObject, copyOwn } from "../../src/storage/s3/copy.js";
import { S3Failure } from "../../src/storage/s3/failure.js";
import { S3Requests } from "../../src/storage/s3/requests.js";

type Answer = (response: ServerResponse) => void;

const errorOf = (code: string) => `<Error><Code>${code}</Code><Message>said &amp; done</Message></Error>`;
const answer =
  (status: number, body: string | Buffer = "", headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, { etag: '"1"', ...headers }).end(body);
const error = (status: number, code: string) => answer(status, errorOf(code));

const cutShort: Answer = (response) => {
  response.writeHead(200, { etag: '"1"', "content-length": "10" });
  response.write("short", () => response.socket?.destroy());
};

/** Runs `check` with a client whose store gives these answers, one after another. */
async function withAnswers(
  answers: readonly Answer[],
  check: (client: S3Client, sent: string[]) => Promise<void>,
  { expired = () => {}, connections = 4, requestSeconds = 2, hangs = false } = {},
): Promise<void> {
  const sent: string[] = [];
  const server: Server = createServer((request, response) => {
    const next = answers[sent.length];
    sent.push(`${request.method} ${request.url}`);
    request.resume();
    if (next === undefined && hangs) return;
    if (next === undefined) response.destroy();
    else next(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const requests = new S3Requests(
    {
      endpoint: `http://127.0.0.1:${port}`,
      region: "us-east-1",
      bucket: "bucket",
      forcePathStyle: true,
      skipVerify: false,
      prefix: "",
      objectHeaders: {},
    },
    { connections, attemptSeconds: 2, requestSeconds },
    async () => ({ accessKeyId: "key", secretAccessKey: "secret" }),
    expired,
  );
  try {
    await check(new S3Client(requests), sent);
  } finally {
    await requests.close();
    server.closeAllConnections();
    server.close();
  }
}

const body = Buffer.from("body");
const isFailure = (code: string) => (thrown: unknown) => {
  assert.ok(thrown instanceof S3Failure, String(thrown));
  assert.equal(thrown.code, code);
  return true;
};

for (const [what, first] of [
  ["500", error(500, "InternalError")],
  ["503 SlowDown", error(503, "SlowDown")],
  ["a proxy's page", answer(502, "<html><body>Bad gateway<br></body></html>")],
  ["a reset", (response: ServerResponse) => void response.socket?.resetAndDestroy()],
  ["an answer cut short", cutShort],
  ["expired credentials", error(400, "ExpiredToken")],
] as const)
  test(`after ${what} a request is sent again`, () => {
    let renewals = 0;
    return withAnswers(
      [first, answer(200, body)],
      async (client, sent) => {
        assert.deepEqual((await client.get("key"))?.bytes, body);
        assert.equal(sent.length, 2);
        assert.equal(renewals, what === "expired credentials" ? 1 : 0);
      },
      { expired: () => void renewals++ },
    );
  });

for (const [what, first, code] of [
  ["a missing bucket", error(404, "NoSuchBucket"), "NoSuchBucket"],
  ["a refusal", error(403, "AccessDenied"), "AccessDenied"],
  ["an unknown feature", error(501, "NotImplemented"), "NotImplemented"],
] as const)
  test(`${what} is a failure at once, with what the store says`, () =>
    withAnswers([first], async (client, sent) => {
      await assert.rejects(client.get("key"), isFailure(code));
      assert.deepEqual(sent, ["GET /bucket/key"]);
    }));

test("a conflict with another write leaves a condition open, so the write is sent again", () =>
  withAnswers([error(409, "ConditionalRequestConflict"), answer(200)], async (client, sent) => {
    assert.equal((await client.put("key", body, { ifNoneMatch: "*" }))?.etag, '"1"');
    assert.equal(sent.length, 2);
  }));

test("a condition that is not met is an answer", () =>
  withAnswers([error(412, "PreconditionFailed"), error(404, "NoSuchKey")], async (client) => {
    assert.equal(await client.put("key", body, { ifMatch: '"0"' }), undefined);
    assert.equal(await client.put("key", body, { ifMatch: '"0"' }), undefined);
  }));

test("a write whose answer was lost is found by its bytes", () =>
  withAnswers(
    [error(500, "InternalError"), error(412, "PreconditionFailed"), answer(200, body)],
    async (client, sent) => {
      assert.ok(await client.put("key", body, { ifNoneMatch: "*" }));
      assert.deepEqual(sent, ["PUT /bucket/key", "PUT /bucket/key", "GET /bucket/key"]);
    },
  ));

test("another's write is not taken for one whose answer was lost", () =>
  withAnswers(
    [error(500, "InternalError"), error(412, "PreconditionFailed"), answer(200, "other")],
    async (client) => assert.equal(await client.put("key", body, { ifNoneMatch: "*" }), undefined),
  ));

test("a copy or a completed upload that fails after its headers is a failure", () =>
  withAnswers(
    Array.from({ length: 2 }, () => answer(200, `<?xml version="1.0"?>${errorOf("NoSuchKey")}`)),
    async (client) => {
      await assert.rejects(copyOwn(client, "from", "to", 1), isFailure("NoSuchKey"));
      await assert.rejects(client.completeMultipart("key", "id", []), isFailure("NoSuchKey"));
    },
  ));

test("an object that is too large is not read, and not asked for again", () =>
  withAnswers([answer(200, Buffer.alloc(1024 * 1024))], async (client, sent) => {
    await assert.rejects(client.get("key", 1000), isFailure("AnswerTooLarge"));
    assert.equal(sent.length, 1);
  }));

test("keys with odd characters are read from a listing as they are", () =>
  withAnswers(
    [
      answer(
        200,
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a&amp;b&#x20;&lt;c&gt;</Key><Size>1</Size>" +
          "<ETag>&quot;1&quot;</ETag><LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents></ListBucketResult>",
      ),
    ],
    async (client) => {
      const found = [];
      for await (const one of client.list("")) found.push(one);
      const modifiedAt = Date.UTC(2026, 0, 2, 3, 4, 5);
      assert.deepEqual(found, [{ key: "a&b <c>", size: 1, etag: '"1"', modifiedAt }]);
    },
  ));

test("a request waits for a connection without counting as unanswered", () =>
  withAnswers(
    Array.from(
      { length: 3 },
      (): Answer => (response) => void sleep(900).then(() => answer(200, body)(response)),
    ),
    async (client, sent) => {
      // The last one waits for 1.8 s and is answered after 2.7 s; one attempt may take 2 s.
      const bodies = await Promise.all(["a", "b", "c"].map((key) => client.get(key)));
      assert.equal(bodies.filter((found) => found?.bytes.equals(body)).length, 3);
      assert.equal(sent.length, 3, "none was sent twice");
    },
    { connections: 1, requestSeconds: 5 },
  ));

test("a request that finds no free connection in its time fails", () =>
  withAnswers(
    Array.from({ length: 8 }, (): Answer => () => {}),
    async (client) => {
      const results = await Promise.allSettled(["a", "b", "c"].map((key) => client.get(key)));
      const messages = results.map((result) =>
        result.status === "rejected" ? String(result.reason) : "none",
      );
      assert.match(messages[0] ?? "", /did not answer within 2 s/);
      assert.match(messages[2] ?? "", /all connections to the store are busy/);
    },
    { connections: 1 },
  ));

test("a copy that the store refuses is an answer, also of a part, whose upload is aborted", () =>
  withAnswers(
    [
      error(403, "AccessDenied"),
      answer(200, "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>"),
      answer(200, "<CopyPartResult><ETag>one</ETag></CopyPartResult>"),
      error(404, "NoSuchKey"),
      answer(204, ""),
    ],
    async (client, sent) => {
      const source = { bucket: "other", key: "key" };
      assert.equal(await copyObject(client, source, 1, "to"), false);
      assert.equal(await copyObject(client, source, 5 * 1024 ** 3, "to"), false);
      assert.deepEqual(sent.slice(1), [
        "POST /bucket/to?uploads=",
        "PUT /bucket/to?partNumber=1&uploadId=id",
        "PUT /bucket/to?partNumber=2&uploadId=id",
        "DELETE /bucket/to?uploadId=id",
      ]);
    },
  ));

test("a store that hangs ends a request after its whole time, not after that of its last attempt", () =>
  withAnswers(
    Array.from({ length: 8 }, (): Answer => () => {}),
    async (client, sent) => {
      const begun = performance.now();
      await assert.rejects(client.get("key"), isFailure("Unanswered"));
      const seconds = (performance.now() - begun) / 1000;
      assert.ok(seconds > 3 && seconds < 4, `${seconds} s`);
      assert.equal(sent.length, 2, "the second attempt is shorter");
    },
    { requestSeconds: 3.5 },
  ));

test("while a store hangs, a bounded number of requests waits, and further ones fail at once", () =>
  withAnswers(
    [],
    async (client) => {
      const failed: string[] = [];
      const waiting = Array.from({ length: 200 }, () =>
        client.get("key").catch((thrown: unknown) => void failed.push(String(thrown))),
      );
      await sleep(100);
      // One has the connection, and 64 wait for it.
      assert.equal(failed.length, 200 - 65);
      assert.match(failed[0] ?? "", /all connections to the store are busy/);
      await Promise.all(waiting);
    },
    { connections: 1, requestSeconds: 2.5, hangs: true },
  ));

test("many bytes have time in proportion", () =>
  withAnswers(
    [
      (response) => void sleep(3_500).then(() => answer(200)(response)),
      (response) => {
        response.writeHead(200, { etag: '"1"', "content-length": String(2 * 1024 * 1024) });
        response.write(Buffer.alloc(1024 * 1024));
        void sleep(3_500).then(() => response.end(Buffer.alloc(1024 * 1024)));
      },
    ],
    async (client, sent) => {
      // One attempt without bytes may take 2 s, and each MiB a second more.
      await client.putPart("key", "upload", 1, Buffer.alloc(3 * 1024 * 1024));
      assert.equal((await client.get("key"))?.bytes.length, 2 * 1024 * 1024);
      assert.equal(sent.length, 2);
    },
    { requestSeconds: 3 },
  ));

test("after a whole request without any answer, further ones take a second, until the store answers", async () => {
  let isHanging = true;
  const dynamic: Answer = (response) => {
    if (!isHanging) answer(200, body)(response);
  };
  await withAnswers(
    Array.from({ length: 40 }, () => dynamic),
    async (client) => {
      const timed = async (key: string) => {
        const begun = performance.now();
        const found = await client.get(key).catch(() => "failed");
        return { found, seconds: (performance.now() - begun) / 1000 };
      };
      const first = await timed("first");
      assert.ok(first.found === "failed" && first.seconds > 2.9, `${first.seconds} s`);
      // One looks longer for the store's return.
      const [scout, ...others] = await Promise.all(["a", "b", "c", "d"].map(timed));
      assert.ok((scout?.seconds ?? 0) > 2.9, `${scout?.seconds} s`);
      for (const { found, seconds } of others) assert.ok(found === "failed" && seconds < 1.5, `${seconds} s`);
      isHanging = false;
      const back = await timed("back");
      assert.notEqual(back.found, "failed");
      isHanging = true;
      const again = await timed("again");
      assert.ok(again.seconds > 2.9, "an answer ends the silence");
    },
    { requestSeconds: 3.5 },
  );
});
