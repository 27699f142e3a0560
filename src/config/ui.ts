/** `http.ui`: the web page. */
import { z } from "zod";
import { section } from "./section.js";
import { duration } from "./values.js";

export const ui = section({
  enabled: z
    .enum(["auto", "true", "false"], "expected auto, true or false")
    .prefault("auto")
    .describe(
      "Serves a web page for browsing at `/` and `/ui/`. `auto` enables it if `http.addr` is a loopback address and no authentication is configured.",
    ),
  session: duration
    .refine((seconds) => seconds >= 300 && seconds <= 30 * 86_400, "expected a time from 5m to 30d")
    .prefault("12h")
    .describe(
      "Time after which people must log in to the web page again. A session without a request for an hour ends earlier.",
    ),
});
