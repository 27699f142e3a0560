/** Shell completion from the tables of commands: the script for a shell, and what it is answered when it asks. */
import { UsageError } from "../commands/command.js";
import type { Entry } from "./entry.js";

const shells = ["bash", "zsh", "fish"] as const;

/** What a shell's script types to ask: `gantry complete -- WORDS…`, the last being the one to complete. */
export const asking = "complete";

/**
 * The package bash-completion has this function, and the script needs it. Where it is not installed, words are
 * taken as bash has parted them.
 */
const bashFallback = `declare -F _get_comp_words_by_ref >/dev/null || _get_comp_words_by_ref() {
    words=("\${COMP_WORDS[@]}")
    cword=$COMP_CWORD
    cur=\${COMP_WORDS[COMP_CWORD]}
    prev=\${COMP_WORDS[COMP_CWORD - 1]}
}`;

export const completion: Entry = {
  line: {
    name: "completion",
    summary: "print a script that completes commands in your shell",
    help: "Prints a script by which a shell completes commands, their options and what these may be.",
    flags: {},
    parameters: [{ name: "SHELL", description: "bash, zsh or fish" }],
    examples: [
      { command: "source <(gantry completion bash)", what: "in bash, for this session" },
      { command: "gantry completion bash > /etc/bash_completion.d/gantry", what: "in bash, for all" },
      { command: "gantry completion zsh > ~/.zfunc/_gantry", what: "in zsh, where fpath has ~/.zfunc" },
      { command: "gantry completion fish > ~/.config/fish/completions/gantry.fish", what: "in fish" },
    ],
  },
  run: async ({ parameters: [shell = ""] }) => {
    if (!shells.some((one) => one === shell))
      throw new UsageError(`there is no completion for ${shell}: give ${shells.join(", ")}`);
    if (shell === "bash") process.stdout.write(`${bashFallback}\n`);
    const { RootCommand } = await import("@bomb.sh/tab");
    new RootCommand().setup("gantry", "gantry", shell);
    return 0;
  },
};

/** Prints what may come next behind these words. */
export async function complete(entries: readonly Entry[], words: readonly string[]): Promise<void> {
  const { RootCommand } = await import("@bomb.sh/tab");
  const root = new RootCommand();
  for (const { line } of entries) {
    const [group = "", sub] = line.name.split(" ");
    // It follows the words one by one, and stops at one that is no command.
    if (sub !== undefined && !root.commands.has(group)) root.command(group, "");
    const command = root.command(line.name, line.summary);
    for (const [name, { type, description = "", choices = [] }] of Object.entries(line.flags)) {
      if (type === "boolean") command.option(name, description);
      else command.option(name, description, (offer) => choices.forEach((choice) => void offer(choice, "")));
    }
    command.option("help", "show this");
    if (line === completion.line)
      command.argument("SHELL", (offer) => shells.forEach((shell) => void offer(shell, "")));
  }
  root.parse([...words]);
}
