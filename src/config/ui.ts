/** `http.ui`: the web page. */
import { z } from "zod";
import { section } from "./section.js";

export const ui = section({
  enabled: z
    .enum(["auto", "true", "false"], "expected auto, true or false")
    .prefault("auto")
    .describe(
      "Serves a web page for browsing at `/` and `/ui/`. `auto` enables it if `http.addr` is a loopback address and nobody has to log in.",
    ),
});
