/**
 * The messages between the processes of one server. The first process, the hub, answers some questions itself and passes
 * others on to the nodes: itself and the other processes. All that arrives is parsed here.
 */
import { z } from "zod";
import { noteCharactersMax } from "../cluster.js";
import { change, digest, digests, handedOver, leases, name, node, session, token } from "../schemas.js";

const useReport = z.record(z.string(), z.array(z.tuple([z.string(), z.number()]).readonly()).readonly());

const note = z.string().max(noteCharactersMax);
const lockKey = { lock: z.string(), key: z.string() };

/** How work has ended. `isAbandoned`: another node may do it. */
const ending = z.object({
  error: z.string().optional(),
  note: note.optional(),
  isAbandoned: z.boolean().optional(),
});

export type Ending = z.output<typeof ending>;

const questions = [
  // Answered by nodes.
  /** Answered when all listeners have ended. */
  z.object({ kind: z.literal("change"), change }),
  /** Answered when the lock is held exclusively on behalf of the node that has the token. */
  z.object({ kind: z.literal("drain"), ...lockKey, token }),
  z.object({ kind: z.literal("release"), token }),
  z.object({ kind: z.literal("leased"), name, digests }),
  /** Answered with whether the object is leased; if not, it counts as removed until `over`. */
  z.object({ kind: z.literal("condemn"), name, digest, token }),
  z.object({ kind: z.literal("over"), token }),
  z.object({ kind: z.literal("note"), name, digests }),
  z.object({ kind: z.literal("journal"), name, token, begins: z.boolean() }),
  z.object({ kind: z.literal("owns"), id: session }),
  z.object({ kind: z.literal("claim"), id: session }),
  z.object({ kind: z.literal("adopt"), leases }),
  /** Another node waits for the work. */
  z.object({ kind: z.literal("watched"), key: z.string() }),
  z.object({ kind: z.literal("report"), key: z.string(), note }),
  /** A node has ended. After a crash, changes and leases may be lost. */
  z.object({ kind: z.literal("gone"), node, hasCrashed: z.boolean() }),
  /** For other parts of the server, which parse what they send. */
  z.object({ kind: z.literal("call"), service: z.string(), payload: z.unknown() }),
  /** The use of clients at the process with that number. `isNew`: that process knows nothing of the others yet. */
  z.object({ kind: z.literal("use"), process: z.number(), isNew: z.boolean(), report: useReport }),
  // Answered by the hub.
  /** Answered with the locks and journals that are held: the asker is a node from then on. */
  z.object({ kind: z.literal("join") }),
  /** Answered with a token when all other nodes hold the lock on behalf of the asker. */
  z.object({ kind: z.literal("enter"), ...lockKey }),
  z.object({ kind: z.literal("leave"), token }),
  /** Answered with `run` if the asker must run the work, or when another node's has ended. */
  z.object({ kind: z.literal("once"), key: z.string() }),
  z.object({ kind: z.literal("ended"), key: z.string(), ending }),
  z.object({ kind: z.literal("take"), id: session }),
  z.object({ kind: z.literal("own"), id: session, isOwn: z.boolean() }),
  z.object({ kind: z.literal("owner"), id: session }),
  z.object({ kind: z.literal("hint"), key: z.string() }),
  z.object({ kind: z.literal("put hint"), key: z.string(), value: z.string(), milliseconds: z.number() }),
] as const;

const question = z.discriminatedUnion("kind", questions);

export type Question = z.output<typeof question>;
export type Kind = Question["kind"];
export type QuestionOf<K extends Kind> = Extract<Question, { kind: K }>;

const claimed = z.union([z.enum(["keep", "released", "ended", "unknown"]), handedOver]);

/** The answers by kind of question. */
export const answers = {
  change: z.null(),
  drain: z.null(),
  release: z.null(),
  leased: z.array(digest),
  condemn: z.boolean(),
  over: z.null(),
  note: z.null(),
  journal: z.null(),
  owns: z.boolean(),
  claim: claimed,
  adopt: z.null(),
  watched: z.null(),
  report: z.null(),
  gone: z.null(),
  call: z.unknown(),
  use: z.null(),
  join: z.object({
    held: z.array(z.object({ ...lockKey, token })),
    journals: z.array(z.object({ name, token })),
    /** When collection goes on, in milliseconds since the epoch. */
    pausedUntil: z.number(),
  }),
  enter: token,
  leave: z.null(),
  once: z.union([z.literal("run"), ending]),
  ended: z.null(),
  take: z.union([z.object({ owner: node }), z.object({ answer: claimed })]),
  own: z.null(),
  owner: node.nullable(),
  hint: z.string().nullable(),
  "put hint": z.null(),
} as const;

export type AnswerTo<K extends Kind> = z.output<(typeof answers)[K]>;

/** The answers of the other nodes. */
const answersOfOthers = z.array(z.tuple([node, z.unknown()]));

export function parseAnswer<K extends Kind>(kind: K, value: unknown): AnswerTo<K> {
  return answers[kind].parse(value ?? null) as AnswerTo<K>;
}

export function parseAnswers<K extends Kind>(kind: K, value: unknown): [string, AnswerTo<K>][] {
  return answersOfOthers.parse(value).map(([from, one]) => [from, parseAnswer(kind, one)]);
}

const asked = z.object({
  /** An asker that waits for no answer gives no number. */
  number: z.number().optional(),
  /** To the hub: `hub`, `others` or a node. To a node: the asker. */
  node: z.string(),
  question,
});

const answered = z.object({
  answered: z.number(),
  value: z.unknown().optional(),
  error: z.string().optional(),
});

const frame = z.object({
  clock: z.array(z.number()),
  messages: z.array(z.union([asked, answered])),
});

export type Asked = z.output<typeof asked>;
export type Frame = z.output<typeof frame>;

/** Throws if the text is no frame. */
export function parseFrame(text: string): Frame {
  return frame.parse(JSON.parse(text));
}
