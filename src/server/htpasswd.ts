/** Opens an htpasswd file and the threads that check passwords. Part of the composition root. */
import { availableParallelism } from "node:os";
import type { Logger } from "pino";
import { BcryptPool } from "../auth/bcrypt-pool.js";
import { parseHtpasswd } from "../auth/htpasswd.js";
import { HtpasswdUsers } from "../auth/htpasswd-users.js";
import { ConfigError } from "../config/errors.js";
import { followFiles } from "../config/followed-files.js";
import { describeError } from "../lib/describe-error.js";

export interface OpenedHtpasswd {
  readonly verifier: HtpasswdUsers;
  /** To be called when no request is at work any more. */
  close(): Promise<void>;
}

const checksMax = 64;

/** Rejects with `ConfigError` where there is no such file or it is broken; later it may be, and the log says so. */
export async function openHtpasswd(path: string, log: Logger): Promise<OpenedHtpasswd> {
  const pool = new BcryptPool({
    // Half of the cores at most: uploads and downloads are what they are for.
    threads: Math.max(1, Math.floor(availableParallelism() / 2)),
    checksMax,
    onError: (error) => log.error({ err: error }, "a thread that checks passwords ended"),
  });
  const verifier = new HtpasswdUsers(pool.check);
  const following = await followFiles([path], {
    take: async ([text = ""]) => {
      const { users, refused } = parseHtpasswd(text);
      verifier.replace(users);
      if (users.size > 0) log.info({ path, users: users.size }, "users loaded");
      else log.warn({ path }, "nobody can log in by password: there is no user in the file");
      for (const { line, user, scheme } of refused)
        log.warn({ path, line, user, scheme }, "this user cannot log in: only bcrypt is taken (htpasswd -B)");
    },
    onBroken: (error) =>
      log.error({ path, err: error }, "the users were not reloaded; those from before remain"),
  }).catch((error: unknown) => {
    throw new ConfigError(`${path}: ${describeError(error)}`);
  });
  return {
    verifier,
    close: async () => {
      await following.stop();
      await pool.close();
    },
  };
}
