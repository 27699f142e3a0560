/** Opens an htpasswd file and the threads that check passwords. Part of the composition root. */
import { availableParallelism } from "node:os";
import type { Logger } from "pino";
import { BcryptPool } from "../auth/bcrypt-pool.js";
import { parseHtpasswdInSlices } from "../auth/htpasswd.js";
import { HtpasswdUsers } from "../auth/htpasswd-users.js";
import { ConfigError } from "../config/errors.js";
import { followFiles } from "../config/followed-files.js";
import { describeError } from "../lib/describe-error.js";

export interface OpenedHtpasswd {
  readonly verifier: HtpasswdUsers;
  /** Call it when no request is running. */
  close(): Promise<void>;
}

const checksMax = 64;

/** Rejects with `ConfigError` if the file is missing or invalid. Later changes that make it invalid are logged. */
export async function openHtpasswd(path: string, log: Logger): Promise<OpenedHtpasswd> {
  const pool = new BcryptPool({
    // At most half of the cores; the others are for uploads and downloads.
    threads: Math.max(1, Math.floor(availableParallelism() / 2)),
    checksMax,
    onError: (error) => log.error({ err: error }, "a password checking thread crashed and was replaced"),
  });
  const verifier = new HtpasswdUsers(pool.check);
  const following = await followFiles([path], {
    take: async ([text = ""]) => {
      const { users, refused, refusedMore } = await parseHtpasswdInSlices(text);
      verifier.replace(users);
      if (users.size > 0) log.info({ path, users: users.size }, "users loaded");
      else log.warn({ path }, "nobody can log in by password: the htpasswd file has no users");
      for (const { line, user, scheme } of refused)
        log.warn(
          { path, line, user, scheme },
          "this user cannot log in: the password hash is not bcrypt; create it with htpasswd -B",
        );
      if (refusedMore > 0)
        log.warn(
          { path, users: refusedMore },
          "more users cannot log in: their password hashes are not bcrypt",
        );
    },
    onBroken: (error) =>
      log.error(
        { path, err: error },
        "the changed htpasswd file cannot be used: the previous users stay in effect",
      ),
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
