/**
 * The command line made from tables: what is typed goes to the command it names, or is a `UsageError` that
 * says where help is. Knows commander, and nothing of what commands do.
 */
import { Command as Commander, CommanderError, Option } from "commander";
import { type CommandLine, type FlagValues, UsageError } from "./commands/command.js";

export interface Typed {
  readonly values: FlagValues;
  readonly parameters: readonly string[];
}

/** A command, and what is done when it is typed. */
export interface Entry {
  readonly line: CommandLine;
  /** The exit code. */
  run(typed: Typed): Promise<number>;
}

const exitCodes = "\nExit codes: 0 all is fine, 1 something is wrong or failed, 2 wrong usage or settings.\n";

/** The exit code of what was typed. Rejects with `UsageError`, or with what the command failed with. */
export async function runCommandLine(entries: readonly Entry[], typed: readonly string[]): Promise<number> {
  let code = 0;
  const program = root(new Commander("gantry"));
  program.description("An OCI and Docker image registry for heavy CI traffic.");
  for (const entry of entries) {
    declare(parentOf(program, entry.line), entry.line).action(async (...given: unknown[]) => {
      const command = given.at(-1) as Commander;
      code = await entry.run({ values: valuesOf(command), parameters: command.args });
    });
  }
  try {
    await program.parseAsync(typed, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    throw new UsageError(wordsOf(error, program, typed));
  }
  return code;
}

/** Options common to a command and all that are declared in it. */
function root(program: Commander): Commander {
  return program
    .usage("COMMAND [OPTIONS]")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .configureHelp({ subcommandTerm: (command) => command.name(), showGlobalOptions: false })
    .addHelpText("after", exitCodes)
    .helpOption("-h, --help", "show this");
}

/** Where a command is declared: the program, or the group that the first of two words names. */
function parentOf(program: Commander, { name }: CommandLine): Commander {
  const [group = "", sub] = name.split(" ");
  if (sub === undefined) return program;
  const there = program.commands.find((command) => command.name() === group);
  return there ?? program.command(group).usage("COMMAND [OPTIONS]").helpCommand(false);
}

function declare(parent: Commander, line: CommandLine): Commander {
  const command = parent.command(line.name.split(" ").at(-1) ?? "").summary(line.summary);
  command.description(flowing(line.help)).helpOption("-h, --help", "show this");
  for (const { name, description, optional, variadic } of line.parameters ?? []) {
    const dots = variadic === true ? "..." : "";
    command.argument(optional === true ? `[${name}${dots}]` : `<${name}${dots}>`, description);
  }
  const flags = Object.entries(line.flags);
  for (const [name, { type, description, value = "VALUE", multiple, choices }] of flags) {
    const suffix = type === "boolean" ? "" : ` <${value}${multiple === true ? "..." : ""}>`;
    const option = new Option(`--${name}${suffix}`, description);
    command.addOption(choices === undefined ? option : option.choices([...choices]));
  }
  const terms = (line.parameters ?? []).map(({ name, optional, variadic }) => {
    const term = variadic === true ? `${name}...` : name;
    return optional === true ? `[${term}]` : term;
  });
  command.usage([...terms, "[OPTIONS]"].join(" "));
  const width = Math.max(0, ...(line.examples ?? []).map((example) => example.command.length));
  const examples = (line.examples ?? []).map(
    (example) => `  ${example.command.padEnd(width)}  ${example.what}\n`,
  );
  return command.addHelpText(
    "after",
    `${examples.length === 0 ? "" : `\nExamples:\n${examples.join("")}`}${exitCodes}`,
  );
}

/** Paragraphs without their line breaks: commander breaks lines at the terminal's width. */
function flowing(text: string): string {
  return text.trim().replace(/(?<=\S)\n(?=\S)/g, " ");
}

/** By the names that the table has, which commander changes. */
function valuesOf(command: Commander): FlagValues {
  return Object.fromEntries(
    command.options.map((option) => [
      option.long?.slice(2) ?? "",
      command.getOptionValue(option.attributeName()) as FlagValues[string],
    ]),
  );
}

function wordsOf({ code, message }: CommanderError, program: Commander, typed: readonly string[]): string {
  if (code === "commander.help") return program.helpInformation();
  const [name = ""] = typed;
  if (code === "commander.unknownCommand" && !program.commands.some((command) => command.name() === name))
    return `${message.replace(/^error: unknown command '(.*?)'/, "there is no command $1")}\nTry gantry --help.`;
  return `${message.replace(/^error: /, "")}\nTry gantry ${name} --help.`;
}
