// The protocol by which nodes share contents in object storage and collect those that no repository has, model-checked:
// every interleaving of two pushes, a mount, deletions and two collectors, with writers that crash and writes that land late.
//
// Objects of one digest: data (immutable, one per upload), the content (which data the digest has; written with conditions
// only) and a pointer for each repository (which data the repository's blob has). A pointer to missing data would be a lost
// blob, so no state may have one. See docs/decisions/0044.

import assert from "node:assert/strict";
import { test } from "node:test";
import { explore, type Model, type Step } from "./explore.js";

/** Data 0 was there at the start; 1 and 2 are what the two pushes bring. */
type Data = 0 | 1 | 2;
type Repository = 0 | 1;

interface Content {
  readonly is: "live" | "dead";
  readonly data: Data;
  /** Stands for the ETag: every write changes it. */
  readonly version: number;
  /** Whether it was written less than the grace period ago, by the clock of the store. */
  readonly fresh: boolean;
}

type WriterStep = "store" | "create" | "read" | "swap" | "point" | "done" | "failed";

/** A push (with `own` data) or a mount (without). */
interface Writer {
  readonly to: Repository;
  readonly own?: Data;
  readonly at: WriterStep;
  /** What it read of the content. */
  readonly seen?: Content;
  /** The data that its pointer will have. */
  readonly use?: Data;
}

interface Collector {
  readonly at: "start" | "list0" | "list1" | "bury" | "erase" | "end";
  readonly seen?: Content;
}

interface State {
  readonly data: readonly [boolean, boolean, boolean];
  readonly content: Content | null;
  readonly pointers: readonly [Data | null, Data | null];
  readonly writers: readonly Writer[];
  readonly collectors: readonly Collector[];
  /** Deletions of the blob that may still happen, by repository. */
  readonly deletions: readonly [boolean, boolean];
  /** Pointers whose writer has crashed: the write lands within the grace period, or never. */
  readonly late: readonly (readonly [Repository, Data])[];
  /** Repositories that have acknowledged the blob since its last deletion. */
  readonly acknowledged: readonly [boolean, boolean];
}

interface Rules {
  /** Whether a writer that shares another's data renews the content first unless it is fresh. */
  readonly renews: boolean;
  /** Whether a collector buries a content with the condition that it is as it was before the listing. */
  readonly buriesWithCondition: boolean;
}

function set<T>(list: readonly T[], at: number, value: T): T[] {
  return list.map((old, index) => (index === at ? value : old));
}

const isWriting = ({ at }: Writer) => at !== "done" && at !== "failed" && at !== "store";

function* writerSteps(state: State, index: number, rules: Rules): Generator<Step<State>> {
  const writer = state.writers[index] as Writer;
  const name = `${writer.own === undefined ? "mount" : `push ${writer.own}`}`;
  const { content } = state;
  const go = (change: Partial<Writer>, rest: Partial<State> = {}): State => ({
    ...state,
    ...rest,
    writers: set(state.writers, index, { ...writer, ...change }),
  });
  const written = (data: Data): Content => ({
    is: "live",
    data,
    version: (content?.version ?? 0) + 1,
    fresh: true,
  });
  switch (writer.at) {
    case "store":
      if (writer.own === undefined) {
        // A mount begins with the pointer of its source.
        const source = state.pointers[1 - writer.to];
        yield [
          `${name}: reads the source`,
          source === null ? go({ at: "failed" }) : go({ at: "read", use: source as Data }),
        ];
      } else {
        const data = set(state.data, writer.own, true) as unknown as State["data"];
        yield [`${name}: stores its data`, go({ at: "create" }, { data })];
      }
      return;
    case "create":
      // PUT with If-None-Match: *.
      if (content === null)
        yield [
          `${name}: creates the content`,
          go({ at: "point", use: writer.own as Data }, { content: written(writer.own as Data) }),
        ];
      else yield [`${name}: finds a content`, go({ at: "read" })];
      return;
    case "read":
      if (content === null) {
        if (writer.own === undefined) yield [`${name}: finds no content`, go({ at: "failed" })];
        else yield [`${name}: the content is gone`, go({ at: "create" })];
      } else if (content.is === "dead" && writer.own === undefined) {
        yield [`${name}: finds a dead content`, go({ at: "failed" })];
      } else if (content.is === "live" && (content.fresh || !rules.renews)) {
        yield [`${name}: shares fresh data ${content.data}`, go({ at: "point", use: content.data })];
      } else yield [`${name}: reads the content`, go({ at: "swap", seen: content })];
      return;
    case "swap": {
      // PUT with If-Match: renews a live content, or gives a dead one the writer's own data.
      const seen = writer.seen as Content;
      if (content === null || content.version !== seen.version) {
        const { seen: _, ...again } = writer;
        yield [
          `${name}: the content has changed`,
          { ...state, writers: set(state.writers, index, { ...again, at: "read" as const }) },
        ];
        return;
      }
      const data = seen.is === "live" ? seen.data : (writer.own as Data);
      const { seen: _, ...rest } = writer;
      yield [
        `${name}: renews the content with data ${data}`,
        {
          ...state,
          content: written(data),
          writers: set(state.writers, index, { ...rest, at: "point" as const, use: data }),
        },
      ];
      return;
    }
    case "point": {
      const use = writer.use as Data;
      const pointers = set(state.pointers, writer.to, use) as unknown as State["pointers"];
      const acknowledged = set(state.acknowledged, writer.to, true) as unknown as State["acknowledged"];
      // Its own data is not needed any more if it shares another's.
      const isUnused = writer.own !== undefined && use !== writer.own;
      const data = isUnused
        ? (set(state.data, writer.own as Data, false) as unknown as State["data"])
        : state.data;
      yield [
        `${name}: points repository ${writer.to} to data ${use}`,
        go({ at: "done" }, { pointers, acknowledged, data }),
      ];
      yield [
        `${name}: crashes while it points repository ${writer.to} to data ${use}`,
        go({ at: "failed" }, { late: [...state.late, [writer.to, use]] }),
      ];
      return;
    }
  }
}

function* collectorSteps(state: State, index: number, rules: Rules): Generator<Step<State>> {
  const { at, seen } = state.collectors[index] as Collector;
  const { content } = state;
  const go = (change: Collector, rest: Partial<State> = {}): State => ({
    ...state,
    ...rest,
    collectors: set(state.collectors, index, change),
  });
  const name = `collector ${index}`;
  switch (at) {
    case "start":
      // Only what was written before the grace period is a candidate, or dead already.
      if (content === null || content.fresh) return;
      yield [
        `${name}: reads the content`,
        go({ at: content.is === "dead" ? "erase" : "list0", seen: content }),
      ];
      return;
    case "list0":
    case "list1": {
      const isThere = state.pointers[at === "list0" ? 0 : 1] !== null;
      const next = at === "list0" ? "list1" : "bury";
      yield [
        `${name}: lists a repository`,
        go(isThere ? { at: "end" } : { at: next, seen: seen as Content }),
      ];
      return;
    }
    case "bury": {
      const isSame = content !== null && content.version === seen?.version;
      if (content === null || content.is === "dead" || (rules.buriesWithCondition && !isSame)) {
        yield [`${name}: the content has changed`, go({ at: "end" })];
        return;
      }
      const buried: Content = { ...content, is: "dead", version: content.version + 1, fresh: true };
      yield [`${name}: buries the content`, go({ at: "erase", seen: buried }, { content: buried })];
      return;
    }
    case "erase": {
      const data = set(state.data, (seen as Content).data, false) as unknown as State["data"];
      yield [`${name}: erases data ${seen?.data}`, go({ at: "end" }, { data })];
      return;
    }
  }
}

function modelOf(start: State, rules: Rules): Model<State> {
  return {
    start,
    *steps(state) {
      for (let index = 0; index < state.writers.length; index++) yield* writerSteps(state, index, rules);
      for (let index = 0; index < state.collectors.length; index++)
        yield* collectorSteps(state, index, rules);
      for (const repository of [0, 1] as const) {
        if (!state.deletions[repository] || state.pointers[repository] === null) continue;
        yield [
          `repository ${repository} deletes its blob`,
          {
            ...state,
            pointers: set(state.pointers, repository, null) as unknown as State["pointers"],
            deletions: set(state.deletions, repository, false) as unknown as State["deletions"],
            acknowledged: set(state.acknowledged, repository, false) as unknown as State["acknowledged"],
          },
        ];
      }
      for (const [at, [repository, data]] of state.late.entries()) {
        const late = state.late.filter((_, index) => index !== at);
        yield [`a late write is lost`, { ...state, late }];
        yield [
          `a late write points repository ${repository} to data ${data}`,
          {
            ...state,
            late,
            pointers: set(state.pointers, repository, data) as unknown as State["pointers"],
          },
        ];
      }
      // The grace period passes. A writer gives up, and a late write has landed or is lost, within half of it.
      if (state.content?.fresh && !state.writers.some(isWriting) && state.late.length === 0)
        yield ["the grace period passes", { ...state, content: { ...state.content, fresh: false } }];
    },
    fault(state) {
      for (const repository of [0, 1] as const) {
        const data = state.pointers[repository];
        if (state.acknowledged[repository] && data === null) return `repository ${repository} lost its blob`;
        if (data !== null && data !== undefined && !state.data[data])
          return `repository ${repository} points to data ${data}, which is gone`;
      }
      return undefined;
    },
  };
}

const idle: Collector = { at: "start" };

function startWith(content: "none" | "shared" | "orphan", writers: readonly Writer[]): State {
  const there = content !== "none";
  const isPointed = content === "shared";
  return {
    data: [there, false, false],
    content: there ? { is: "live", data: 0, version: 1, fresh: false } : null,
    pointers: [isPointed ? 0 : null, null],
    writers,
    collectors: [idle, idle],
    deletions: [true, true],
    late: [],
    acknowledged: [isPointed, false],
  };
}

const pushes: readonly Writer[] = [
  { to: 0, own: 1, at: "store" },
  { to: 1, own: 2, at: "store" },
];
const mount: Writer = { to: 1, at: "store" };

const sound: Rules = { renews: true, buriesWithCondition: true };

for (const content of ["none", "shared", "orphan"] as const)
  for (const [what, writers] of [
    ["two pushes", pushes],
    ["a push and a mount", [pushes[0] as Writer, mount]],
    ["two pushes and a mount", [...pushes, mount]],
  ] as const)
    test(`no blob is lost: ${what}, deletions and two collectors, content ${content} at the start`, (context) => {
      const { states, ends, fault } = explore(modelOf(startWith(content, writers), sound));
      context.diagnostic(`${states} states, ${ends} ends`);
      assert.deepEqual(fault, undefined, fault?.trace.join("\n"));
      assert.ok(states > 500);
    });

for (const [what, rules] of [
  ["a writer shares a content that it has not renewed", { ...sound, renews: false }],
  ["a collector buries a content without a condition", { ...sound, buriesWithCondition: false }],
] as const)
  test(`the model finds a lost blob where ${what}`, (context) => {
    const { fault } = explore(modelOf(startWith("orphan", pushes), rules));
    assert.ok(fault !== undefined);
    context.diagnostic(fault.trace.join("\n"));
  });
