/** Opens the socket that operators' commands come by while the server has the store. */
import { runCommand } from "../commands/commands.js";
import { listenForCommands } from "../control/server.js";
import type { Services } from "../registry/services.js";
import type { Opening } from "./opening.js";

/** A server whose socket cannot be opened runs all the same, and says that it takes no commands. */
export async function openCommands(
  { config, log, closers }: Opening,
  services: Services,
  socket: string,
): Promise<void> {
  const control = await listenForCommands(socket, {
    run: (name, options, task) => runCommand(name, options, { services, config, ...task }),
    onError: services.onBackgroundError,
  }).catch((error: unknown) => {
    log.warn({ err: error }, "no commands can be given to this server while it runs");
    return undefined;
  });
  closers.add("commands", () => control?.close());
}
