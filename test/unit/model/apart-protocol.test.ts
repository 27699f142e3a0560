// The protocol by which a node pushes without the engine while others must delete nothing, model-checked: every interleaving
// of heartbeats, partitions, an engine that loses its memory, writes of the node's record that land late, and another node
// that forgets members, settles epochs and takes the repository's lock exclusively. See docs/decisions/0046.
//
// Time passes in ticks, in which every age grows by one, at the node, in the engine and in the storage.

import assert from "node:assert/strict";
import { test } from "node:test";
import { explore, type Model, type Step } from "./explore.js";

/** The node trusts its last heartbeat or record for fewer ticks than others keep it. */
const trusted = 2;
const lifetime = 3;
const ageMax = lifetime + 1;

interface State {
  /** What the engine knows. Ages are those of the epoch and of the node's last heartbeat. */
  readonly engine: {
    readonly epochAge: number;
    readonly settled: boolean;
    readonly member: boolean;
    readonly beat: number;
  };
  readonly node: {
    /** Whether it reaches the engine. */
    readonly reaches: boolean;
    /** Ages of its last heartbeat, and of the last record that counts. */
    readonly touched: number;
    readonly recorded: number;
    /** The write of its record that is running. */
    readonly write: { readonly age: number; readonly landed: boolean } | null;
    /** Whether a push holds the lock, and whether the lock is held on behalf of the other node. */
    readonly pushes: boolean;
    readonly drained: boolean;
  };
  /** Age of the node's record in the storage. */
  readonly record: number | null;
  /** Whether a write may land whose response the node no longer waits for. */
  readonly late: boolean;
  readonly other: {
    /**
     * What it has read to forget the node, or to settle the epoch. `stale`: the node has sent a heartbeat since, or the engine
     * has lost its memory.
     */
    readonly forgets: { readonly saw: boolean; readonly stale: boolean } | null;
    readonly settles: { readonly saw: boolean; readonly stale: boolean } | null;
    readonly holds: boolean;
  };
}

interface Rules {
  readonly looksBeforeForgetting: boolean;
  readonly looksBeforeSettling: boolean;
  /** Whether it forgets a node only if that has sent no heartbeat since it looked for its record. */
  readonly comparesEntries: boolean;
  /** Whether the node ignores a record whose write has ended after its trust. */
  readonly ignoresLateRecords: boolean;
}

const sound: Rules = {
  looksBeforeForgetting: true,
  looksBeforeSettling: true,
  comparesEntries: true,
  ignoresLateRecords: true,
};

const older = (age: number) => Math.min(age + 1, ageMax);

function isTrusted({ node }: State): boolean {
  return Math.min(node.touched, node.recorded) <= trusted;
}

function* steps(state: State, rules: Rules): Generator<Step<State>> {
  yield ["time passes", tick(state)];
  yield* engineSteps(state);
  yield* nodeSteps(state, rules);
  yield* otherSteps(state, rules);
}

function tick(state: State): State {
  const { engine, node, record } = state;
  return {
    ...state,
    engine: { ...engine, epochAge: older(engine.epochAge), beat: older(engine.beat) },
    node: {
      ...node,
      touched: older(node.touched),
      recorded: older(node.recorded),
      write: node.write && { ...node.write, age: older(node.write.age) },
    },
    record: record === null ? null : older(record),
  };
}

function* engineSteps(state: State): Generator<Step<State>> {
  const { node, other } = state;
  yield [
    node.reaches ? "the network fails" : "the network is mended",
    { ...state, node: { ...node, reaches: !node.reaches } },
  ];
  // What a holder does then is another matter: it trusts its entry for a bounded time, and drained locks stay as long.
  if (!other.holds)
    yield [
      "the engine loses its memory",
      {
        ...state,
        engine: { epochAge: 0, settled: false, member: false, beat: ageMax },
        other: {
          ...other,
          forgets: other.forgets && { ...other.forgets, stale: true },
          settles: other.settles && { ...other.settles, stale: true },
        },
      },
    ];
}

function* nodeSteps(state: State, rules: Rules): Generator<Step<State>> {
  const { engine, node, other } = state;
  const go = (change: Partial<State["node"]>, rest: Partial<State> = {}): State => ({
    ...state,
    ...rest,
    node: { ...node, ...change },
  });
  if (node.reaches)
    yield [
      "node: heartbeat",
      go(
        {
          touched: 0,
          // After it was forgotten, running pushes cannot confirm their holds.
          pushes: node.pushes && isTrusted(state),
          drained: node.drained || (!engine.member && other.holds),
        },
        {
          engine: { ...engine, member: true, beat: 0 },
          other: { ...other, forgets: other.forgets && { ...other.forgets, stale: true } },
        },
      ),
    ];
  if (isTrusted(state) && !node.pushes && !node.drained) yield ["node: a push begins", go({ pushes: true })];
  if (node.pushes) yield ["node: a push ends", go({ pushes: false })];
  const { write } = node;
  if (write === null && isTrusted(state))
    yield ["node: writes its record", go({ write: { age: 0, landed: false } })];
  if (write !== null) {
    if (!write.landed) yield ["the record lands", go({ write: { ...write, landed: true } }, { record: 0 })];
    yield ["node: gives the write up", go({ write: null }, { late: state.late || !write.landed })];
    if (write.landed) {
      const counts = isTrusted(state) || !rules.ignoresLateRecords;
      const recorded = counts ? Math.min(node.recorded, write.age) : node.recorded;
      yield ["node: its record is written", go({ write: null, recorded })];
    }
  }
  if (state.late) yield ["a late record lands", { ...state, late: false, record: 0 }];
}

function* otherSteps(state: State, rules: Rules): Generator<Step<State>> {
  const { engine, node, other, record } = state;
  const go = (change: Partial<State["other"]>, rest: Partial<State> = {}): State => ({
    ...state,
    ...rest,
    other: { ...other, ...change },
  });
  const isYoung = record !== null && record <= lifetime;
  const { forgets, settles } = other;
  if (forgets === null) {
    if (engine.member && engine.beat > lifetime)
      yield [
        "other: looks for the record",
        go({ forgets: { saw: isYoung && rules.looksBeforeForgetting, stale: false } }),
      ];
  } else if (forgets.saw || (forgets.stale && (rules.comparesEntries || engine.beat <= lifetime)))
    yield ["other: keeps the node", go({ forgets: null })];
  else yield ["other: forgets the node", go({ forgets: null }, { engine: { ...engine, member: false } })];
  if (settles === null) {
    if (!engine.settled && engine.epochAge > lifetime)
      yield [
        "other: lists the records",
        go({ settles: { saw: isYoung && rules.looksBeforeSettling, stale: false } }),
      ];
  } else if (settles.stale) yield ["other: the epoch has changed", go({ settles: null })];
  else {
    const registers = settles.saw && !engine.member;
    const known = registers ? { member: true, beat: 0 } : {};
    yield [
      "other: settles the epoch",
      go({ settles: null }, { engine: { ...engine, settled: true, ...known } }),
    ];
  }
  if (other.holds)
    yield ["other: releases the lock", { ...go({ holds: false }), node: { ...node, drained: false } }];
  else if (engine.settled && !engine.member) yield ["other: takes the lock", go({ holds: true })];
  else if (engine.settled && node.reaches && !node.pushes)
    yield [
      "other: takes the lock, and the node's",
      { ...go({ holds: true }), node: { ...node, drained: true } },
    ];
}

function model(rules: Rules): Model<State> {
  return {
    start: {
      engine: { epochAge: ageMax, settled: true, member: true, beat: 0 },
      node: { reaches: true, touched: 0, recorded: ageMax, write: null, pushes: false, drained: false },
      record: null,
      late: false,
      other: { forgets: null, settles: null, holds: false },
    },
    steps: (state) => steps(state, rules),
    fault: (state) =>
      state.other.holds && state.node.pushes && isTrusted(state)
        ? "a push goes on while another node deletes"
        : undefined,
  };
}

test("no push goes on while another node deletes", (context) => {
  const { states, fault } = explore(model(sound));
  context.diagnostic(`${states} states`);
  assert.equal(fault, undefined, fault?.trace.join("\n"));
  assert.ok(states > 10_000);
});

for (const rule of [
  "looksBeforeForgetting",
  "looksBeforeSettling",
  "comparesEntries",
  "ignoresLateRecords",
] as const)
  test(`the model finds what goes wrong without ${rule}`, () => {
    assert.ok(explore(model({ ...sound, [rule]: false })).fault !== undefined);
  });
