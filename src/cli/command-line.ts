/**
 * Builds the command line from tables. Dispatches arguments to the named command, or throws a `UsageError` that refers to
 * the help. The only code that knows commander; it does not know what the commands do.
 */
import { Command as Commander, CommanderError, Option } from "commander";
import {
  type CommandLine,
  type Example,
  type Flags,
  type FlagValues,
  UsageError,
} from "../commands/command.js";
import { hasColors } from "../lib/colors.js";
import { packageVersion } from "../lib/package-version.js";
import type { Entry } from "./entry.js";
import type { Invocation } from "./invocation.js";
import { colorsFor } from "./output.js";

const exitCodes = "\nExit codes: 0 success, 1 problem found or failure, 2 wrong usage or settings.\n";

const columnsWithoutTerminal = 80;

/** Maximum characters of an example that has its explanation on the same line. */
const besideMax = 66;

/** Runs the typed command and resolves with its exit code. Rejects with `UsageError` or the command's error. */
export async function runCommandLine(entries: readonly Entry[], invocation: Invocation): Promise<number> {
  const { words: typed } = invocation;
  let code = 0;
  const program = root(invocation);
  for (const entry of entries) {
    const { line, run } = entry;
    declare(parentOf(program, line), line, invocation).action(async (...given: unknown[]) => {
      const command = given.at(-1) as Commander;
      code = await run({ values: valuesOf(command, line.flags), parameters: command.args }, invocation);
    });
  }
  try {
    await program.parseAsync(withHelp(program, typed), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    throw new UsageError(wordsOf(error, program, typed));
  }
  return code;
}

/** Rewrites `gantry help gc` and `gantry config help` to `gantry gc --help` and `gantry config --help`. */
function withHelp(program: Commander, typed: readonly string[]): readonly string[] {
  const [first = "", second, ...more] = typed;
  const named = (name: string) => program.commands.find((command) => command.name() === name);
  if (first === "help") {
    // An unknown command must be an error, not print the general help.
    const isKnown = second === undefined || named(second) !== undefined;
    return [...typed.slice(1), ...(isKnown ? ["--help"] : [])];
  }
  const group = (named(first)?.commands.length ?? 0) > 0;
  return group && second === "help" ? [first, ...more, "--help"] : typed;
}

/** All commands inherit the options that are set here. */
function root(invocation: Invocation): Commander {
  const { stdout, words, env } = invocation;
  return new Commander("gantry")
    .description("An OCI and Docker image registry for heavy CI traffic.")
    .usage("COMMAND [OPTIONS]")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: () => {},
      getOutHelpWidth: () => (stdout.isTTY === true ? stdout.columns : undefined) ?? columnsWithoutTerminal,
      getOutHasColors: () => hasColors(stdout, words, env),
    })
    .configureHelp({
      subcommandTerm: (command) => command.name(),
      showGlobalOptions: true,
      styleTitle: (title) => colorsFor(stdout, invocation).bold(title),
    })
    .helpOption("-h, --help", "show this help")
    .version(packageVersion, "--version", "print the version")
    .option("--no-color", "disable colours, like the variable NO_COLOR")
    .addHelpText("after", exitCodes);
}

/** Returns the parent of a command: the program, or the group that the first of two words names. */
function parentOf(program: Commander, { name }: CommandLine): Commander {
  const [first = "", second] = name.split(" ");
  if (second === undefined) return program;
  const group =
    program.commands.find((command) => command.name() === first) ??
    program.command(first).usage("COMMAND [OPTIONS]").helpCommand(false);
  return group.summary([...group.commands.map((command) => command.name()), second].join(", "));
}

function declare(parent: Commander, line: CommandLine, invocation: Invocation): Commander {
  const command = parent.command(line.name.split(" ").at(-1) ?? "").summary(line.summary);
  command.description(flowing(line.help)).helpOption("-h, --help", "show this help");
  for (const { name, description, optional, variadic } of line.parameters ?? []) {
    const dots = variadic === true ? "..." : "";
    command.argument(optional === true ? `[${name}${dots}]` : `<${name}${dots}>`, description);
  }
  const flags = Object.entries(line.flags);
  for (const [name, { type, description, value = "VALUE", multiple, choices }] of flags) {
    const option = new Option(`--${name}${type === "boolean" ? "" : ` <${value}>`}`, description);
    if (choices !== undefined) option.choices([...choices]);
    const checked = option.parseArg;
    // commander's own `<VALUE...>` would also consume the parameters that follow.
    if (multiple === true)
      option.argParser((one, before: string[] = []) => [...before, checked?.(one, one) ?? one]);
    command.addOption(option);
  }
  const terms = (line.parameters ?? []).map(({ name, optional, variadic }) => {
    const term = variadic === true ? `${name}...` : name;
    return optional === true ? `[${term}]` : term;
  });
  command.usage([...terms, "[OPTIONS]"].join(" "));
  return command.addHelpText("after", examplesOf(line.examples, invocation) + exitCodes);
}

/** Formats examples with the explanation on the same line, or below if the example is long. */
function examplesOf(examples: readonly Example[], invocation: Invocation): string {
  const lengths = examples.map(({ command }) => command.length).filter((length) => length <= besideMax);
  const width = Math.max(0, ...lengths);
  const lines = examples.map(({ command, what }) =>
    command.length <= besideMax ? `  ${command.padEnd(width)}  ${what}\n` : `  ${command}\n      ${what}\n`,
  );
  return `\n${colorsFor(invocation.stdout, invocation).bold("Examples:")}\n${lines.join("")}`;
}

/** Joins the lines of each paragraph: commander wraps lines at the terminal's width. */
function flowing(text: string): string {
  return text.trim().replace(/(?<=\S)\n(?=\S)/g, " ");
}

/** Returns the values under the names in the table; commander changes the names. */
function valuesOf(command: Commander, flags: Flags): FlagValues {
  return Object.fromEntries(
    command.options
      .map((option) => [option.long?.slice(2) ?? "", command.getOptionValue(option.attributeName())] as const)
      .filter(([name]) => Object.hasOwn(flags, name)),
  ) as FlagValues;
}

function wordsOf({ code, message }: CommanderError, program: Commander, typed: readonly string[]): string {
  const known = program.commands.find((command) => command.name() === typed[0]);
  if (code === "commander.help") return (known ?? program).helpInformation();
  const words = message.replace(/^error: /, "").replace(/^unknown command '(.*?)'/, "there is no command $1");
  return `${words}\nTry gantry ${known === undefined ? "" : `${known.name()} `}--help.`;
}
