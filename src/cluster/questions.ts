/** The questions that nodes ask each other both over a socket and over an engine, with the answers by kind of question. */
import { z } from "zod";
import { change, digest, digests, handedOver, name, session, token } from "./schemas.js";

export const lockKey = { lock: z.string(), key: z.string() };
export const claimed = z.union([z.enum(["keep", "released", "ended", "unknown"]), handedOver]);

export const nodeQuestions = [
  /** Answered when all listeners have ended. */
  z.object({ kind: z.literal("change"), change }),
  /** Answered when the lock is held exclusively on behalf of the node that has the token. */
  z.object({ kind: z.literal("drain"), ...lockKey, token }),
  z.object({ kind: z.literal("release"), token }),
  /** Answered with those that are leased. */
  z.object({ kind: z.literal("leased"), name, digests }),
  /** Answered with whether the object is leased; if not, it counts as removed until `over`. */
  z.object({ kind: z.literal("condemn"), name, digest, token }),
  z.object({ kind: z.literal("over"), token }),
  z.object({ kind: z.literal("note"), name, digests }),
  /** While it lasts, what pushes note in the repository is sent to the asker, too. */
  z.object({ kind: z.literal("noting"), name, token, begins: z.boolean() }),
  z.object({ kind: z.literal("owns"), id: session }),
  z.object({ kind: z.literal("claim"), id: session }),
] as const;

export const nodeAnswers = {
  change: z.null(),
  drain: z.null(),
  release: z.null(),
  leased: z.array(digest),
  condemn: z.boolean(),
  over: z.null(),
  note: z.null(),
  noting: z.null(),
  owns: z.boolean(),
  claim: claimed,
} as const;
