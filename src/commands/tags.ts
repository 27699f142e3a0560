/** `gantry tags`: what a tag pointed to before, and pointing it there again. */
import { z } from "zod";
import { anonymous } from "../auth/identity.js";
import { ownGate } from "../auth/own-gate.js";
import { entriesMax } from "../config/tags.js";
import { isDigestPrefix, shortDigits } from "../domain/digest.js";
import { isTag } from "../domain/reference.js";
import { isRepositoryName } from "../domain/repository-name.js";
import { visibleLine } from "../lib/control-characters.js";
import { formatTable } from "../lib/format.js";
import type { HistoryEntry } from "../registry/tag-history.js";
import { type Command, type FlagValues, UsageError } from "./command.js";
import { parseOptions } from "./options.js";

const target = {
  repository: z.string().refine(isRepositoryName, "not a repository name"),
  tag: z.string().refine(isTag, "not a tag"),
};
const historyOptions = z.object(target);
const rollbackOptions = z.object({
  ...target,
  /** Perhaps shortened. */
  digest: z.string().refine(isDigestPrefix, "not a digest"),
});

const image = { name: "NAME:TAG", description: "a tag of a repository of this registry" };

export const tagsHistory: Command = {
  name: "tags history",
  summary: "show what a tag pointed to",
  help: `Shows what a tag pointed to, since when, and who pushed or removed it, newest first. The settings tags.history
say how much is kept. A digest in parentheses is no longer here: it was deleted, or collected as garbage.
`,
  flags: {},
  parameters: [image],
  examples: [
    { command: "gantry tags history team/app:latest", what: "print a table" },
    { command: "gantry tags history team/app:latest --json", what: "for a script" },
  ],
  optionsOf: (_: FlagValues, [text = ""]) => targetOf(text),
  run: async ({ services }, given) => {
    const { repository, tag } = parseOptions(historyOptions, given);
    const { entryJson, tagHistory } = await import("../registry/tag-history.js");
    // Whoever can open the store's directory may see and do everything in it.
    const permit = ownGate.pull(anonymous, repository);
    const { items } = await tagHistory(services, permit, tag, { n: entriesMax, showsLogins: true });
    return { report: { repository, tag, entries: items.map(entryJson) }, text: render(items), fine: true };
  },
};

export const tagsRollback: Command = {
  name: "tags rollback",
  summary: "point a tag to what it pointed to before",
  help: `Points a tag to a manifest of its history again. This is a push: an immutable tag stays where it is, the new target
is the first entry of the history, and everything that the manifest names must still be here. A tag that was removed
comes back.
`,
  flags: {},
  parameters: [
    image,
    {
      name: "DIGEST",
      description: `the manifest, as gantry tags history shows it; at least ${shortDigits} digits of it`,
    },
  ],
  examples: [{ command: "gantry tags rollback team/app:latest sha256:…", what: "go back to that image" }],
  optionsOf: (_: FlagValues, [text = "", digest = ""]) => {
    if (!isDigestPrefix(digest))
      throw new UsageError(
        `${digest} is not a digest: write sha256: and at least ${shortDigits} hexadecimal digits`,
      );
    return { ...targetOf(text), digest };
  },
  run: async ({ services }, given) => {
    const { repository, tag, digest: prefix } = parseOptions(rollbackOptions, given);
    const { digestInHistory, rollBack } = await import("../registry/tag-history.js");
    const permit = ownGate.push(anonymous, repository);
    const digest = await digestInHistory(services, ownGate.pull(anonymous, repository), tag, prefix);
    await rollBack(services, permit, { tag, digest, by: "operator" });
    return {
      report: { repository, tag, digest },
      text: `${repository}:${tag} points to ${digest}`,
      fine: true,
    };
  },
};

/** Throws `UsageError`. */
function targetOf(text: string): { readonly repository: string; readonly tag: string } {
  const colon = text.lastIndexOf(":");
  const [repository, tag] = [text.slice(0, colon), text.slice(colon + 1)];
  if (colon > 0 && isRepositoryName(repository) && isTag(tag)) return { repository, tag };
  throw new UsageError(`${text} is not a tag of a repository: write NAME:TAG, such as team/app:latest`);
}

function render(entries: readonly HistoryEntry[]): string {
  const rows = entries.map(({ kind, digest = "unknown", at, by = "unknown", isCurrent, isAvailable }) => {
    const shown = isAvailable ? digest : `(${digest})`;
    return [
      kind === "pointed" ? shown : `removed, was ${shown}`,
      new Date(at).toISOString().slice(0, 19).replace("T", " "),
      visibleLine(by),
      isCurrent ? "now" : "",
    ];
  });
  return formatTable([["TARGET", "SINCE (UTC)", "BY", ""], ...rows], [0, 1, 2, 3]);
}
