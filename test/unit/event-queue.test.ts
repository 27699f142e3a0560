import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EventQueue } from "../../src/notifications/event-queue.js";

const eventsMax = 5;
const bytesMax = 40;

/** What may happen: an event comes, or some of the first ones are looked at and, if they were taken, removed. */
const steps = fc.array(
  fc.oneof(
    fc.string({ maxLength: 50, unit: "grapheme" }),
    fc.record({
      events: fc.integer({ min: 1, max: 4 }),
      bytes: fc.nat(60),
      overtaken: fc.array(fc.string({ maxLength: 20 })),
    }),
  ),
  { maxLength: 60 },
);

test("a queue keeps the newest events within its bounds, in order, whatever comes while some are under way", () => {
  fc.assert(
    fc.property(steps, (all) => {
      const queue = new EventQueue(eventsMax, bytesMax);
      let model: { text: string; number: number }[] = [];
      let pushed = 0;
      const push = (text: string) => {
        const before = model.length;
        if (Buffer.byteLength(text) <= bytesMax) model.push({ text, number: pushed++ });
        const bytes = () => model.reduce((sum, one) => sum + Buffer.byteLength(one.text), 0);
        while (model.length > eventsMax || bytes() > bytesMax) model.shift();
        assert.equal(queue.push(text), before + 1 - model.length);
      };
      for (const step of all) {
        if (typeof step === "string") push(step);
        else {
          const seen = model.slice();
          const batch = queue.peek(step.events, step.bytes);
          assert.deepEqual(
            batch.texts,
            seen.slice(0, batch.texts.length).map(({ text }) => text),
          );
          assert.ok(batch.texts.length <= step.events);
          const bytes = batch.texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
          assert.ok(bytes <= step.bytes || batch.texts.length === 1);
          assert.ok(batch.texts.length > 0 || model.length === 0);
          step.overtaken.forEach(push);
          const gone = new Set(seen.slice(0, batch.texts.length).map(({ number }) => number));
          const left = model.filter(({ number }) => !gone.has(number));
          assert.equal(queue.remove(batch), model.length - left.length);
          model = left;
        }
        assert.equal(queue.length, model.length);
      }
    }),
  );
});

test("an event that alone has too many bytes finds no room, and takes none from the others", () => {
  const queue = new EventQueue(10, 10);
  assert.equal(queue.push("12345"), 0);
  assert.equal(queue.push("1234567890-"), 1);
  assert.deepEqual(queue.peek(10, 10).texts, ["12345"]);
});

test("a queue through which much has gone works on in order", () => {
  const queue = new EventQueue(3, 1000);
  for (let number = 0; number < 10_000; number++) {
    queue.push(String(number));
    if (number % 2 === 1) queue.remove(queue.peek(1, 1000));
  }
  assert.deepEqual(queue.peek(10, 1000).texts, ["9998", "9999"]);
});
