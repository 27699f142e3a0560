// Downloads by clients that accept everything at once leave time for other requests.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { sendSource } from "../../src/http/download.js";
import type { Exchange } from "../../src/http/exchange.js";
import { Outbox } from "../../src/http/outbox.js";
import type { ByteSource } from "../../src/http/source.js";

const pieceBytes = 2 * 1024 * 1024;
const pieces = 4;
const downloads = 20;

function sourceOf(): ByteSource {
  const bytes = new Uint8Array(pieceBytes);
  return { size: pieces * pieceBytes, at: () => ({ bytes, release: () => {} }), readAhead: () => {} };
}

test("many fast downloads write a few pieces in each turn of the event loop, and all end", async () => {
  const outbox = new Outbox();
  let written = 0;
  const exchange = (client: string): Exchange => {
    let position = 0;
    return {
      ...{ client, answers: { outbox }, aborted: false, responded: true },
      cork: (work: () => void) => work(),
      onAbort: () => {},
      untilGone: () => new AbortController().signal,
      response: {
        onWritable: () => {},
        tryEnd: (bytes: Uint8Array, size: number) => {
          written++;
          position += bytes.length;
          return [true, position === size];
        },
      },
    } as unknown as Exchange;
  };
  let isOver = false;
  const all = Promise.all(
    Array.from({ length: downloads }, (_, client) =>
      sendSource(exchange(String(client)), 200, [], sourceOf()),
    ),
  ).then(() => {
    isOver = true;
  });
  let most = 0;
  for (let before = 0; !isOver; before = written) {
    await turn();
    most = Math.max(most, written - before);
  }
  await all;
  assert.equal(written, downloads * pieces);
  assert.ok(most > 0 && most <= 24, `${most} pieces in one turn`);
});
