/** The messages between nodes. All that arrives is parsed here. */
import { z } from "zod";
import { parseDigest } from "../../domain/digest.js";
import { parseTag } from "../../domain/reference.js";
import { parseRepositoryName } from "../../domain/repository-name.js";
import type { RobotName } from "../../domain/robot.js";
import { isSessionId } from "../../domain/session-id.js";
import { isWebSessionId } from "../../domain/web-session-id.js";
import { type NodeName, noteCharactersMax } from "../cluster.js";

/** Digests in one message, so that it has at most a few hundred KiB. */
export const digestsMax = 2_000;
/** Leases in one message, about 30 bytes each. */
export const leasesMax = 10_000;

function parsed<T>(parse: (text: string) => T) {
  return z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch {
      context.addIssue("malformed");
      return z.NEVER;
    }
  });
}

const node = z.string().transform((text) => text as NodeName);
const name = parsed(parseRepositoryName);
const tag = parsed(parseTag);
const digest = parsed(parseDigest);
const digests = z.array(digest).max(digestsMax);
const token = z.string().max(100);
const session = z.string().transform((text, context) => {
  if (isSessionId(text)) return text;
  context.addIssue("malformed");
  return z.NEVER;
});

const webSession = z.string().transform((text, context) => {
  if (isWebSessionId(text)) return text;
  context.addIssue("malformed");
  return z.NEVER;
});

const change = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("tag-pointed"), name, tag }),
  z.object({ kind: z.literal("tag-removed"), name, tag }),
  z.object({ kind: z.literal("tag-unsure"), name, tag }),
  z.object({ kind: z.literal("manifest-deleted"), name, digest }),
  z.object({ kind: z.literal("blob-deleted"), name, digest }),
  z.object({ kind: z.literal("condemned"), name, digest }),
  z.object({ kind: z.literal("pushed-untagged"), name }),
  z.object({ kind: z.literal("repository-emptied"), name }),
  z.object({ kind: z.literal("blobs-healed") }),
  z.object({ kind: z.literal("robot-changed"), robot: z.string().transform((text) => text as RobotName) }),
  z.object({ kind: z.literal("web-session-ended"), session: webSession }),
]);

const question = z.discriminatedUnion("kind", [
  /** Answered when all listeners have ended. */
  z.object({ kind: z.literal("change"), change }),
  /** Answered when the lock is held exclusively on behalf of the asker, who has the entry in the held table. */
  z.object({ kind: z.literal("drain"), lock: z.string(), key: z.string(), token }),
  z.object({ kind: z.literal("release"), token }),
  /** Answered with those that are leased. */
  z.object({ kind: z.literal("leased"), name, digests }),
  /** Answered with whether the object is leased; if not, it counts as removed until `over`. */
  z.object({ kind: z.literal("condemn"), name, digest, token }),
  z.object({ kind: z.literal("over"), token }),
  z.object({ kind: z.literal("note"), name, digests }),
  z.object({ kind: z.literal("journal"), name, token, begins: z.boolean() }),
  z.object({ kind: z.literal("owns"), id: session }),
  z.object({ kind: z.literal("claim"), id: session }),
  /** The asker waits for work of this node, and wants to be told how far it is. */
  z.object({ kind: z.literal("watch"), token }),
  /** What the work says of itself. */
  z.object({ kind: z.literal("report"), token, note: z.string().max(noteCharactersMax) }),
  z.object({ kind: z.literal("leaving") }),
  /** Answered when the leases of the asker, which stops, are among those of this node. */
  z.object({ kind: z.literal("adopt"), leases: z.array(z.tuple([z.number(), z.number()])).max(leasesMax) }),
]);

export type Question = z.output<typeof question>;
export type QuestionOf<K extends Question["kind"]> = Extract<Question, { kind: K }>;

const record = z.object({
  name,
  opener: z.string(),
  client: z.string(),
  algorithm: z.enum(["sha256", "sha512", "blake3"]),
  announced: z.boolean(),
  createdAt: z.number(),
});

/** The answers by kind of question. Those to `release`, `over`, `watch`, `report` and `leaving` are not waited for. */
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
  claim: z.union([
    z.enum(["keep", "released", "ended", "unknown"]),
    z.object({ record, touchedAt: z.number() }),
  ]),
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
