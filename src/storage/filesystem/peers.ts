/**
 * The other processes that use the same store, under the same path. Files are shared by the file system's own atomic operations;
 * the driver asks the others only for what those do not cover. Absent if there is one process.
 */
import { z } from "zod";
import { type Digest, isDigest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { isSessionId, type SessionId } from "../../domain/session-id.js";
import type { SharedClock } from "../../lib/shared-clock.js";
import type { UploadTimes } from "../storage.js";

export interface StorePeers {
  /** Whether this process has opened the store for all of them. */
  readonly isFirst: boolean;
  /** 12 hexadecimal digits that no other process has; the IDs of its sessions end with them. */
  readonly digits: string;
  /** Runs `work` while no other process runs work with the same key. If this process dies, the next one runs its work. */
  exclusive<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** Resolves with the answers of all others that do not end meanwhile. Rejects if one fails. */
  ask(service: string, payload: unknown): Promise<readonly unknown[]>;
  /** Resolves with the answer of the first process, for another one. Rejects if that fails. */
  askFirst(service: string, payload: unknown): Promise<unknown>;
  /** Sends to the first process. */
  tellFirst(service: string, payload: unknown): void;
  /** Lets all processes know of numbers that only grow: a message carries those of all that led to it. */
  shareClock(clock: SharedClock): void;
  /** Answers the questions of others; the result must be JSON. */
  answer(service: string, handler: (payload: unknown) => unknown): void;
  /** Calls `listener` when another process has removed an empty repository. */
  onEmptied(listener: (name: RepositoryName) => void): void;
  /** Calls `listener` in the first process some time after another one has crashed, with that one's digits. */
  onCrashed(listener: (digits: string) => Promise<void>): void;
}

const digest = z.custom<Digest>((value) => typeof value === "string" && isDigest(value));
const session = z.custom<SessionId>((value) => typeof value === "string" && isSessionId(value));

export const sealRequest = z.object({
  session,
  algorithm: z.enum(["sha256", "sha512", "blake3"]),
  offset: z.number(),
  expected: digest,
  /** The generation in which the asker's operation began, if the journal makes the blob durable. */
  journal: z.number().optional(),
  place: z
    .object({
      file: z.string(),
      recordFile: z.string().optional(),
      content: z.string(),
      blob: z.string(),
      unchecked: z.array(z.string()).readonly(),
    })
    .optional(),
});

export const sealedAnswer = z.object({
  digest,
  placedBytes: z.number().optional(),
  directBytes: z.number(),
  times: z.object({
    startedAt: z.number(),
    openedAt: z.number(),
    hashedAt: z.number(),
    writtenAt: z.number(),
    syncedAt: z.number().exactOptional(),
    placedAt: z.number().exactOptional(),
  }),
});

export type SealRequest = z.output<typeof sealRequest>;
export type SealedElsewhere = {
  digest: Digest;
  placedBytes?: number | undefined;
  directBytes: number;
  times: UploadTimes;
};

export const leaveRequest = z.object({ session });

export const tallyChange = z.object({ digest, contents: z.number(), bytes: z.number() });
