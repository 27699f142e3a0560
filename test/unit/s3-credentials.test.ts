// Credentials are fetched once for all who wait, renewed in time, and asked for again with pauses.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type FetchedCredentials, RenewedCredentials } from "../../src/storage/s3/credentials.js";

/** A source whose fetches the test ends, with a clock that the test sets. */
class Fixture {
  now = 1_000_000;
  readonly asked: { give(minutes?: number): Promise<void>; fail(): Promise<void> }[] = [];
  readonly source = new RenewedCredentials(
    () =>
      new Promise<FetchedCredentials>((resolve, reject) => {
        const number = this.asked.length;
        this.asked.push({
          give: async (minutes) => {
            const expiration = minutes === undefined ? undefined : new Date(this.now + minutes * 60_000);
            resolve({ accessKeyId: `key ${number}`, secretAccessKey: "secret", expiration });
            await turn();
          },
          fail: async () => {
            reject(new Error("no credentials"));
            await turn();
          },
        });
      }),
    () => this.now,
  );

  async key(): Promise<string> {
    return (await this.source.get()).accessKeyId;
  }

  pass(minutes: number): void {
    this.now += minutes * 60_000;
  }
}

test("all who wait share one fetch, and later ones its result", async () => {
  const fixture = new Fixture();
  const waiting = Array.from({ length: 10 }, () => fixture.key());
  await turn();
  await fixture.asked[0]?.give(60);
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set(["key 0"]));
  fixture.pass(54);
  assert.equal(await fixture.key(), "key 0");
  assert.equal(fixture.asked.length, 1);
});

test("credentials are renewed before they expire, while requests still use the old ones", async () => {
  const fixture = new Fixture();
  const first = fixture.key();
  await fixture.asked[0]?.give(60);
  await first;
  fixture.pass(56);
  assert.equal(await fixture.key(), "key 0");
  assert.equal(await fixture.key(), "key 0");
  assert.equal(fixture.asked.length, 2);
  await fixture.asked[1]?.fail();
  assert.equal(await fixture.key(), "key 0", "which have not expired yet");
  assert.equal(fixture.asked.length, 2, "not again at once");
  fixture.pass(0.1);
  assert.equal(await fixture.key(), "key 0");
  await fixture.asked[2]?.give(60);
  assert.equal(await fixture.key(), "key 2");
});

test("expired credentials are not used", async () => {
  const fixture = new Fixture();
  const first = fixture.key();
  await fixture.asked[0]?.give(60);
  await first;
  fixture.pass(60);
  const second = assert.rejects(fixture.key(), /no credentials/);
  await fixture.asked[1]?.fail();
  await second;
  await assert.rejects(fixture.key(), /no credentials/, "the last failure, without asking");
  assert.equal(fixture.asked.length, 2);
  fixture.pass(0.1);
  const third = fixture.key();
  await fixture.asked[2]?.give();
  assert.equal(await third, "key 2");
});

test("credentials that the store refuses are fetched again once", async () => {
  const fixture = new Fixture();
  const first = fixture.key();
  await fixture.asked[0]?.give();
  await first;
  fixture.pass(1);
  fixture.source.refused();
  const second = fixture.key();
  await fixture.asked[1]?.give();
  assert.equal(await second, "key 1");
  fixture.source.refused();
  assert.equal(await fixture.key(), "key 1", "the refusal of a request that was sent before");
  assert.equal(fixture.asked.length, 2);
});
