/** Opens the socket for operators' commands. */
import { listenForCommands } from "../control/server.js";
import type { Services } from "../registry/services.js";
import type { OtherStores } from "../transfer/other-stores.js";
import type { UpstreamCache } from "../upstream/cache.js";
import { controlSocketOf, ensureSocketFolder } from "./control-socket.js";
import type { Opening } from "./opening.js";

/** If the socket cannot be opened, logs that the server accepts no commands; the server runs anyway. */
export async function openCommands(
  { config, log, closers }: Opening,
  services: Services,
  upstreams: UpstreamCache | undefined,
): Promise<void> {
  const socket = controlSocketOf(config);
  const listen = async () => {
    await ensureSocketFolder(config, socket);
    return listenForCommands(socket, {
      run: async (name, options, task) => {
        const { runCommand } = await import("../commands/commands.js");
        const otherStores = openOtherStores({ config, log });
        return await runCommand(name, options, { services, config, upstreams, otherStores, ...task });
      },
      onError: services.onBackgroundError,
    });
  };
  const control = await listen().catch((error: unknown) => {
    log.warn(
      { err: error },
      "this server accepts no gantry commands while it runs: its control socket cannot be opened",
    );
    return undefined;
  });
  closers.add("commands", () => control?.close());
}

/** Returns a function that opens the stores from which commands import. */
export function openOtherStores(opening: Pick<Opening, "config" | "log">): () => Promise<OtherStores> {
  return async () => (await import("./other-stores.js")).otherStores(opening);
}
