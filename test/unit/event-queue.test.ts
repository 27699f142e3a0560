import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EventQueue } from "../../src/notifications/event-queue.js";

const eventsMax = 5;
const bytesMax = 40;

/** The JSON as sent to a receiver. */
function joined(events: readonly string[]): string {
  return events.join(",");
}

/** The possible steps: an event arrives, or a batch is sent while others arrive, and is then removed. */
const steps = fc.array(
  fc.oneof(
    fc.string({ maxLength: 50, unit: "grapheme" }),
    fc.record({
      events: fc.integer({ min: 1, max: 4 }),
      bytes: fc.nat(60),
      meanwhile: fc.array(fc.string({ maxLength: 20 })),
    }),
  ),
  { maxLength: 60 },
);

test("a queue keeps the newest events within its bounds, in order, even during deliveries", () => {
  fc.assert(
    fc.property(steps, (all) => {
      const queue = new EventQueue(eventsMax, bytesMax);
      let model: { text: string; bytes: number; number: number }[] = [];
      let pushed = 0;
      const bytesOf = (events: readonly { bytes: number }[]) =>
        events.reduce((sum, { bytes }) => sum + bytes, 0);
      const push = (text: string) => {
        const before = model.length;
        const bytes = Buffer.byteLength(text) + 1;
        if (bytes <= bytesMax) model.push({ text, bytes, number: pushed++ });
        while (model.length > eventsMax || bytesOf(model) > bytesMax) model.shift();
        assert.equal(queue.push(text), before + 1 - model.length);
      };
      for (const step of all) {
        if (typeof step === "string") push(step);
        else {
          const batch = queue.peek(step.events, step.bytes);
          const out = model.slice(0, batch.events);
          assert.equal(batch.json.toString(), joined(out.map(({ text }) => text)));
          assert.ok(out.length <= step.events && (bytesOf(out) <= step.bytes || out.length === 1));
          const more = model[out.length];
          assert.ok(
            more === undefined || out.length === step.events || bytesOf([...out, more]) > step.bytes,
            "as many as fit",
          );
          step.meanwhile.forEach(push);
          const gone = new Set(out.map(({ number }) => number));
          const left = model.filter(({ number }) => !gone.has(number));
          assert.equal(queue.remove(batch), model.length - left.length);
          model = left;
        }
        assert.equal(queue.length, model.length);
      }
    }),
    { numRuns: 1000 },
  );
});

test("a too large event is dropped and displaces no other", () => {
  const queue = new EventQueue(10, 10);
  assert.equal(queue.push("12345"), 0);
  assert.equal(queue.push("1234567890"), 1);
  assert.equal(queue.peek(10, 10).json.toString(), "12345");
});
