/** The messages between nodes. All that arrives is parsed here. */
import { z } from "zod";
import { noteCharactersMax } from "../cluster.js";
import { nodeAnswers, nodeQuestions } from "../questions.js";
import { leases, node, token } from "../schemas.js";

const question = z.discriminatedUnion("kind", [
  ...nodeQuestions,
  /** The asker waits for work of this node, and wants to be told how far it is. */
  z.object({ kind: z.literal("watch"), token }),
  /** What the work says of itself. */
  z.object({ kind: z.literal("report"), token, note: z.string().max(noteCharactersMax) }),
  z.object({ kind: z.literal("leaving") }),
  /** Answered when the leases of the asker, which stops, are among those of this node. */
  z.object({ kind: z.literal("adopt"), leases }),
]);

export type Question = z.output<typeof question>;
export type QuestionOf<K extends Question["kind"]> = Extract<Question, { kind: K }>;

/** The answers by kind of question. Those to `release`, `over`, `watch`, `report` and `leaving` are not waited for. */
export const answers = {
  ...nodeAnswers,
  watch: z.null(),
  report: z.null(),
  leaving: z.null(),
  adopt: z.null(),
} as const;

export type AnswerTo<K extends Question["kind"]> = z.output<(typeof answers)[K]>;

const packet = z.object({
  from: node,
  /** An asker that waits for no answer gives no number. */
  asked: z.array(z.object({ number: z.number().optional(), question })).optional(),
  answered: z
    .array(z.object({ number: z.number(), value: z.unknown().optional(), error: z.string().optional() }))
    .optional(),
});

export type Packet = z.output<typeof packet>;

/** Characters of a packet. Longer ones are not read. */
export const packetCharactersMax = 4 * 1024 * 1024;

/** Throws if the text is no packet. */
export function parsePacket(text: string): Packet {
  if (text.length > packetCharactersMax) throw new Error("a message of another node is too long");
  return packet.parse(JSON.parse(text));
}
