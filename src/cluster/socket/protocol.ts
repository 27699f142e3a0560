/**
 * The messages between the processes of one server. The first process, the hub, answers some questions itself and passes
 * others on to the nodes: itself and the other processes. All that arrives is parsed here.
 */
import { z } from "zod";
import { noteCharactersMax, type TagsKey } from "../cluster.js";
import { claimed, lockKey, nodeAnswers, nodeQuestions } from "../questions.js";
import { leases, node, session, token } from "../schemas.js";

const note = z.string().max(noteCharactersMax);
const tagsKey = z.string().transform((text) => text as TagsKey);

/** How work has ended. `isAbandoned`: another node may do it. */
const ending = z.object({
  error: z.string().optional(),
  note: note.optional(),
  isAbandoned: z.boolean().optional(),
});

export type Ending = z.output<typeof ending>;

const questions = [
  // Answered by nodes.
  ...nodeQuestions,
  /** As if the node had been asked for it by `drain`, for a lock that is held when the node joins. */
  z.object({ kind: z.literal("inherit"), ...lockKey, token }),
  /** `allUntil`: until then, in seconds since the epoch, everything counts as leased. */
  z.object({ kind: z.literal("adopt"), allUntil: z.number(), leases }),
  /** Another node waits for the work. */
  z.object({ kind: z.literal("watched"), key: z.string() }),
  z.object({ kind: z.literal("report"), key: z.string(), note }),
  /** A node has ended. After a crash, changes and leases may be lost. */
  z.object({ kind: z.literal("gone"), node, hasCrashed: z.boolean() }),
  /** For other parts of the server, which parse what they send. */
  z.object({ kind: z.literal("call"), service: z.string(), payload: z.unknown() }),
  // Answered by the hub.
  /**
   * The asker is a node from now on. Before the answer, it receives the locks that are held and the requests for notes, as
   * messages: their ends may follow at once.
   */
  z.object({ kind: z.literal("join") }),
  /** Answered with a token when all other nodes hold the lock on behalf of the asker. */
  z.object({ kind: z.literal("enter"), ...lockKey }),
  z.object({ kind: z.literal("leave"), token }),
  /** From the answer on, the asker receives the changes of these tags. */
  z.object({ kind: z.literal("follow"), of: tagsKey }),
  /** The asker needs none of those that it has followed. */
  z.object({ kind: z.literal("unfollow") }),
  /** The asker receives the changes of all tags, or no longer. */
  z.object({ kind: z.literal("follow all"), isOn: z.boolean() }),
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

/** The answers by kind of question. */
export const answers = {
  ...nodeAnswers,
  inherit: z.null(),
  adopt: z.null(),
  watched: z.null(),
  report: z.null(),
  gone: z.null(),
  call: z.unknown(),
  join: z.object({
    /** When collection goes on, in milliseconds since the epoch. */
    pausedUntil: z.number(),
  }),
  enter: token,
  leave: z.null(),
  follow: z.null(),
  unfollow: z.null(),
  "follow all": z.null(),
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
