/** Opens the socket for operators' commands. */
import { runCommand } from "../commands/commands.js";
import { listenForCommands } from "../control/server.js";
import type { Services } from "../registry/services.js";
import type { Opening } from "./opening.js";

/** If the socket cannot be opened, logs that the server accepts no commands; the server runs anyway. */
export async function openCommands(
  { config, log, closers }: Opening,
  services: Services,
  socket: string,
): Promise<void> {
  const control = await listenForCommands(socket, {
    run: (name, options, task) => runCommand(name, options, { services, config, ...task }),
    onError: services.onBackgroundError,
  }).catch((error: unknown) => {
    log.warn(
      { err: error },
      "this server accepts no gantry commands while it runs: its control socket cannot be opened",
    );
    return undefined;
  });
  closers.add("commands", () => control?.close());
}
