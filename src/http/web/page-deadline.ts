/** How long a page may wait for what it shows. */
import { Deadline } from "../../lib/deadline.js";
import type { Exchange } from "../exchange.js";

/** Of the 30 ms that a page may take; the rest is for rendering. */
const millisecondsMax = 12;

/** Returns when the parts of a page must be known. What is not known by then is shown as pending. */
export function pageDeadline(exchange: Exchange): Deadline {
  return new Deadline(millisecondsMax, exchange.untilGone());
}
