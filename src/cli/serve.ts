/** `gantry serve`, as it is typed. */
import { uwsBuild } from "../http/uws-build.js";
import { checkFiles } from "./check-files.js";
import type { Entry } from "./entry.js";
import { settingsFlags, settingsOf } from "./settings.js";

export const serve: Entry = {
  line: {
    name: "serve",
    summary: "serve the registry",
    help: `Serves the registry until it is told to stop (SIGTERM or SIGINT); requests that run then come to their
end. Settings come from a file and from variables of the environment: \`gantry config show\` tells what they
are, docs/configuration.md what there is.`,
    flags: settingsFlags,
    parameters: [{ name: "FILE", description: "settings, as with --config", optional: true }],
    examples: [
      { command: "gantry serve", what: "on this machine only, data in .gantry" },
      { command: "gantry serve --config /etc/gantry/config.yml", what: "with the settings of a file" },
      { command: "REGISTRY_HTTP_ADDR=:5000 gantry serve", what: "on all interfaces" },
    ],
  },
  run: async ({ values, parameters: [file] }) => {
    const settings = await settingsOf(file === undefined ? values : { ...values, config: file });
    await checkFiles(settings);
    // The server's modules load uWebSockets.js, whose own error would come first.
    uwsBuild();
    // Read by uWebSockets.js when it is loaded.
    process.env.UWS_HTTP_MAX_HEADERS_SIZE = String(settings.config.limits.headerbytes);
    return (await import("./run-server.js")).serve(settings);
  },
};
