/** `http`: where the server listens, and how it stops. */
import { section } from "./section.js";
import { tls } from "./tls.js";
import { address, duration } from "./values.js";

export const http = section({
  addr: address
    .prefault("127.0.0.1:5000")
    .describe("Address and port. `127.0.0.1:0` picks a free port and prints it; `:5000` is all interfaces."),
  draintimeout: duration
    .prefault("30s")
    .describe(
      "Time that running requests have to come to their end when the server is told to stop (SIGTERM).",
    ),
  tls,
});
