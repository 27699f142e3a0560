/** Shell completion from the tables of commands: prints the script for a shell and answers its requests. */
import { UsageError } from "../commands/command.js";
import type { Entry } from "./entry.js";

const shells = ["bash", "zsh", "fish"] as const;

/** The script runs `gantry complete -- WORDS…`, of which the last word is to be completed. */
export const asking = "complete";

/**
 * The script needs this function of the package bash-completion. Without the package, this fallback takes the words as bash
 * splits them.
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
    summary: "print a shell completion script",
    help: "Prints a script that makes the shell complete commands, options and their values.",
    flags: {},
    parameters: [{ name: "SHELL", description: "bash, zsh or fish" }],
    examples: [
      { command: "source <(gantry completion bash)", what: "in bash, for this session" },
      { command: "gantry completion bash > /etc/bash_completion.d/gantry", what: "in bash, for all users" },
      { command: "gantry completion zsh > ~/.zfunc/_gantry", what: "in zsh, with ~/.zfunc in fpath" },
      { command: "gantry completion fish > ~/.config/fish/completions/gantry.fish", what: "in fish" },
    ],
  },
  run: async ({ parameters: [shell = ""] }, { stdout }) => {
    if (!shells.some((one) => one === shell))
      throw new UsageError(`there is no completion for ${shell}; supported shells are ${shells.join(", ")}`);
    if (shell === "bash") stdout.write(`${bashFallback}\n`);
    const { RootCommand } = await import("@bomb.sh/tab");
    new RootCommand().setup("gantry", "gantry", shell);
    return 0;
  },
};

/** Prints the possible completions of these words. */
export async function complete(entries: readonly Entry[], words: readonly string[]): Promise<void> {
  const { RootCommand } = await import("@bomb.sh/tab");
  const root = new RootCommand();
  for (const { line } of entries) {
    const [group = "", sub] = line.name.split(" ");
    // The library follows the words one by one and stops at an unknown command, so declare each group.
    if (sub !== undefined && !root.commands.has(group)) root.command(group, "");
    const command = root.command(line.name, line.summary);
    for (const [name, { type, description = "", choices = [] }] of Object.entries(line.flags)) {
      if (type === "boolean") command.option(name, description);
      else command.option(name, description, (offer) => choices.forEach((choice) => void offer(choice, "")));
    }
    command.option("help", "show this help");
    if (line === completion.line)
      command.argument("SHELL", (offer) => shells.forEach((shell) => void offer(shell, "")));
  }
  root.parse([...words]);
}
