// The protocol by which an upload's bytes become the data of a blob although they were stored before the client closed the
// upload, model-checked: every interleaving of the node that has stored them, a node that takes the upload over, properly or
// because the first one is silent, a collector, a sweep and a deletion, with nodes that crash. The content of the digest
// follows the protocol of content-protocol.test.ts, and may exist before.
//
// No pointer may ever name data that is gone, and no upload that was closed may go on. See docs/decisions/0044.

import assert from "node:assert/strict";
import { test } from "node:test";
import { explore, type Model, type Step } from "./explore.js";

/** What an earlier push has left, the early data of the upload, and what either node stores when it may not use that. */
type Data = "old" | "early" | "first" | "second";

interface Content {
  readonly is: "live" | "dead";
  readonly data: Data;
  readonly fresh: boolean;
  /** Stands for the ETag: every write changes it. */
  readonly version: number;
}

/**
 * `holds`: it has the upload. `store` to `point`: it commits. `end` and `failed`: it has answered with success or an error.
 * `gone`: it has crashed, or the upload is not its own any more.
 */
type At = "none" | "holds" | "store" | "share" | "point" | "clean" | "failed" | "end" | "gone";

interface Node {
  readonly at: At;
  /** Whether nobody else can use the early data. */
  readonly isSole: boolean;
  /** The data that it commits. */
  readonly own?: Data;
  /** The data that its pointer will have. */
  readonly use?: Data;
}

interface State {
  readonly data: readonly Data[];
  readonly content: Content | null;
  readonly pointer: Data | null;
  /** How long ago the early data was stored: it may be committed, it may not, it may be swept. */
  readonly age: "young" | "late" | "swept";
  /** Whether the upload is marked as ended. */
  readonly mark: boolean;
  readonly nodes: readonly [Node, Node];
  readonly collector: "start" | "erase" | "end" | { readonly seen: number };
  /** What the collector has buried. */
  readonly buried: Data | null;
  readonly mayDelete: boolean;
  /** Whether the blob was stored, so that a client may know of it, and nobody has deleted it since. */
  readonly acknowledged: boolean;
  /** Whether a client was told that the upload is closed. */
  readonly closed: boolean;
  /** A pointer whose writer has failed or crashed, and which may land. */
  readonly late: Data | null;
}

interface Rules {
  /** Whether a node that took the upload over without an answer stores the bytes again. */
  readonly sharedStoresAgain: boolean;
  /** Whether such a node, or one whose commit has failed, leaves the early data and marks the upload as ended. */
  readonly marks: boolean;
  /** Whether early data is committed soon or not at all. */
  readonly isUsedSoon: boolean;
}

const sound: Rules = { sharedStoresAgain: true, marks: true, isUsedSoon: true };

const has = (state: State, data: Data) => state.data.includes(data);
const without = (state: State, data: Data) => state.data.filter((other) => other !== data);
const isCommitting = ({ at }: Node) => at === "share" || at === "point" || at === "clean";

/** Whether a node without the upload would find it in the store. */
const isFound = ({ mark, data, pointer, content }: State) =>
  !mark &&
  data.includes("early") &&
  pointer !== "early" &&
  (content?.is !== "live" || content.data !== "early");

function* nodeSteps(state: State, index: 0 | 1, rules: Rules): Generator<Step<State>> {
  const node = state.nodes[index];
  const name = index === 0 ? "first" : "second";
  const go = (change: Partial<Node>, rest: Partial<State> = {}): State => {
    const changed = { ...node, ...change };
    const nodes = index === 0 ? ([changed, state.nodes[1]] as const) : ([state.nodes[0], changed] as const);
    return { ...state, ...rest, nodes };
  };
  const { content } = state;
  const version = (content?.version ?? 0) + 1;
  switch (node.at) {
    case "none":
      if (index === 1 && isFound(state)) yield* takeOver(state, go);
      return;
    case "holds": {
      const mayUse = node.isSole || !rules.sharedStoresAgain;
      if (mayUse && (state.age === "young" || !rules.isUsedSoon))
        yield [`${name}: commits the early data`, go({ at: "share", own: "early" })];
      if (!mayUse || state.age !== "young") yield [`${name}: stores the bytes again`, go({ at: "store" })];
      const keeps = !node.isSole && rules.marks;
      yield [
        `${name}: aborts`,
        keeps
          ? go({ at: "failed" }, { mark: true })
          : go({ at: "failed" }, { data: without(state, "early") }),
      ];
      yield [`${name}: crashes`, go({ at: "gone" })];
      return;
    }
    case "store":
      yield [
        `${name}: has stored them`,
        go({ at: "share", own: name }, { data: [...without(state, name), name] }),
      ];
      return;
    case "share": {
      const own = node.own as Data;
      const written = (data: Data) => ({ is: "live", data, fresh: true, version }) as const;
      if (content?.is !== "live")
        yield [`${name}: makes ${own} the content`, go({ at: "point", use: own }, { content: written(own) })];
      else
        yield [
          `${name}: shares ${content.data}`,
          go(
            { at: "point", use: content.data },
            { content: content.fresh ? content : written(content.data) },
          ),
        ];
      return;
    }
    case "point": {
      const use = node.use as Data;
      yield [`${name}: points to ${use}`, go({ at: "clean" }, { pointer: use, acknowledged: true })];
      const keeps = rules.marks || node.own !== "early";
      yield [
        `${name}: fails to point to ${use}`,
        keeps
          ? go({ at: "failed" }, { late: use, mark: true })
          : go({ at: "failed" }, { late: use, data: without(state, "early") }),
      ];
      yield [`${name}: crashes while it points to ${use}`, go({ at: "gone" }, { late: use })];
      return;
    }
    case "clean": {
      const { own, use, isSole } = node;
      const unused = own !== use ? own : undefined;
      const left = state.data.filter(
        (data) => data !== unused && !(data === "early" && isSole && own !== "early"),
      );
      yield [
        `${name}: removes what it does not need, and answers`,
        go({ at: "end" }, { data: left, closed: true, mark: state.mark || (!isSole && rules.marks) }),
      ];
      return;
    }
  }
}

/** The second node recovers the upload. */
function* takeOver(
  state: State,
  go: (change: Partial<Node>, rest?: Partial<State>) => State,
): Generator<Step<State>> {
  const [first] = state.nodes;
  if (first.at === "holds") {
    const taken = go({ at: "holds", isSole: first.isSole });
    yield [
      "the first node hands the upload over",
      { ...taken, nodes: [{ ...first, at: "gone" }, taken.nodes[1]] },
    ];
  }
  // It crashed, or it is silent, and may go on at any time.
  yield ["the second node takes the upload over", go({ at: "holds", isSole: false })];
}

function* othersSteps(state: State): Generator<Step<State>> {
  const { content, collector, nodes } = state;
  const isQuiet = !nodes.some(isCommitting) && state.late === null;
  if (collector === "start" && content?.is === "live" && !content.fresh && state.pointer === null)
    yield ["the collector lists the pointers", { ...state, collector: { seen: content.version } }];
  if (typeof collector === "object" && content !== null)
    yield content.version === collector.seen
      ? [
          "the collector buries the content",
          {
            ...state,
            collector: "erase",
            buried: content.data,
            content: { ...content, is: "dead", version: content.version + 1 },
          },
        ]
      : ["the content has changed", { ...state, collector: "end" }];
  if (collector === "erase" && state.buried !== null)
    yield [
      "the collector erases the data",
      { ...state, collector: "end", data: without(state, state.buried) },
    ];
  if (state.mayDelete && state.pointer !== null)
    yield ["the blob is deleted", { ...state, pointer: null, mayDelete: false, acknowledged: false }];
  if (state.late !== null) {
    yield ["a late pointer lands", { ...state, pointer: state.late, late: null }];
    yield ["a late pointer is lost", { ...state, late: null }];
  }
  // A commit takes less than the grace period, which is shorter than the time until a sweep.
  if (isQuiet && content?.fresh === true)
    yield ["the grace period passes", { ...state, content: { ...content, fresh: false } }];
  if (state.age === "young") yield ["the early data is late", { ...state, age: "late" }];
  if (state.age === "late" && isQuiet) yield ["the early data is old", { ...state, age: "swept" }];
  const isNamed = content?.is === "live" && content.data === "early";
  if (state.age === "swept" && has(state, "early") && !isNamed)
    yield ["a sweep removes the early data", { ...state, data: without(state, "early") }];
}

function modelOf(content: Content | null, rules: Rules): Model<State> {
  const start: State = {
    data: content === null ? ["early"] : ["old", "early"],
    content,
    pointer: null,
    age: "young",
    mark: false,
    nodes: [
      { at: "holds", isSole: true },
      { at: "none", isSole: false },
    ],
    collector: "start",
    buried: null,
    mayDelete: true,
    acknowledged: false,
    closed: false,
    late: null,
  };
  return {
    start,
    *steps(state) {
      yield* nodeSteps(state, 0, rules);
      yield* nodeSteps(state, 1, rules);
      yield* othersSteps(state);
    },
    fault(state) {
      if (state.pointer !== null && !has(state, state.pointer))
        return `the blob's data ${state.pointer} is gone`;
      if (state.acknowledged && state.pointer === null) return "the blob is lost";
      return undefined;
    },
    faultAtEnd(state) {
      return state.closed && isFound(state) ? "the upload goes on after it was closed" : undefined;
    },
  };
}

const contents = {
  none: null,
  "an old one": { is: "live", data: "old", fresh: false, version: 0 },
} as const;

for (const [what, content] of Object.entries(contents))
  test(`early data is never lost, and no closed upload goes on: content at the start: ${what}`, (context) => {
    const { states, ends, fault } = explore(modelOf(content, sound));
    context.diagnostic(`${states} states, ${ends} ends`);
    assert.deepEqual(fault, undefined, fault?.trace.join("\n"));
    assert.ok(states > 500);
  });

for (const [what, rules] of [
  ["a node that was not given the upload uses its early data", { ...sound, sharedStoresAgain: false }],
  ["a node removes early data that another may have committed", { ...sound, marks: false }],
  ["early data is used when it may be swept", { ...sound, isUsedSoon: false }],
] as const)
  test(`the model finds a lost blob where ${what}`, (context) => {
    const { fault } = explore(modelOf(contents["an old one"], rules));
    assert.ok(fault !== undefined);
    context.diagnostic(fault.trace.join("\n"));
  });
