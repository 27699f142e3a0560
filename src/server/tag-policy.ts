/** Opens the tag policy, and follows its file while the server runs. Part of the composition root. */
import { asConfigError } from "../config/errors.js";
import { followFiles } from "../config/followed-files.js";
import { noTagPolicy, type TagPolicy } from "../gc/retention.js";
import type { Opening, OpenOptions } from "./opening.js";

export interface OpenedTagPolicy {
  /** The policy in effect. */
  readonly current: TagPolicy;
}

/**
 * Rejects with `ConfigError` if the file cannot be used. A server applies later changes of it; an operator's command without a
 * server reads it once. The module is loaded only if there is a policy.
 */
export async function openTagPolicy(
  { config, log, closers }: Opening,
  { serving }: Pick<OpenOptions, "serving">,
): Promise<OpenedTagPolicy> {
  const path = config.tags.policy;
  if (path === undefined) return { current: noTagPolicy };
  const { parseTagPolicy, readTagPolicy } = await import("../config/tag-policy.js");
  if (!serving) return { current: await readTagPolicy(path) };
  const opened = { current: noTagPolicy };
  const following = await followFiles([path], {
    take: async ([text = ""]) => {
      opened.current = parseTagPolicy(text, path);
      log.info({ path }, "tag policy loaded");
    },
    onBroken: (error) =>
      log.error(
        { path, err: error },
        "the changed tag policy cannot be used: the previous one stays in effect",
      ),
  }).catch(asConfigError("tags.policy"));
  closers.add("tag policy", () => following.stop());
  return opened;
}
