/** Schemas of the values in messages between nodes, over a socket or an engine. Every message that arrives is parsed by them. */
import { z } from "zod";
import { parseDigest } from "../domain/digest.js";
import { parseTag } from "../domain/reference.js";
import { parseRepositoryName } from "../domain/repository-name.js";
import type { RobotName } from "../domain/robot.js";
import { isSessionId } from "../domain/session-id.js";
import { isWebSessionId } from "../domain/web-session-id.js";
import type { NodeName } from "./cluster.js";

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

export const node = z.string().transform((text) => text as NodeName);
export const name = parsed(parseRepositoryName);
export const tag = parsed(parseTag);
export const digest = parsed(parseDigest);
export const digests = z.array(digest).max(digestsMax);
export const token = z.string().max(100);
export const session = z.string().transform((text, context) => {
  if (isSessionId(text)) return text;
  context.addIssue("malformed");
  return z.NEVER;
});

export const webSession = z.string().transform((text, context) => {
  if (isWebSessionId(text)) return text;
  context.addIssue("malformed");
  return z.NEVER;
});

export const change = z.discriminatedUnion("kind", [
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

export const record = z.object({
  name,
  opener: z.string(),
  client: z.string(),
  algorithm: z.enum(["sha256", "sha512", "blake3"]),
  announced: z.boolean(),
  createdAt: z.number(),
});

export const handedOver = z.object({ record, touchedAt: z.number() });
export const leases = z.array(z.tuple([z.number(), z.number()])).max(leasesMax);
