/** How long a page may wait for what it shows. */
import { Deadline } from "../../lib/deadline.js";
import type { Exchange } from "../exchange.js";

/** Of the 30 ms that a page may take; the rest is for rendering. */
const millisecondsMax = 12;

/**
 * The same for the script, which fills in the gaps of a page that it already shows. With 12 ms for each attempt, a busy server
 * would miss another part each time. Shorter than the time after which a page gives up its turn.
 */
const patientMillisecondsMax = 200;

/** The header by which the script says so, and its value (RFC 7240, section 4.3). */
export const patienceHeader = "prefer";
const patience = /\bwait=[1-9]/;

/** Returns when the parts of a page must be known. What is not known by then is shown as pending. */
export function pageDeadline(exchange: Pick<Exchange, "header" | "untilGone">): Deadline {
  const isPatient = patience.test(exchange.header(patienceHeader));
  return new Deadline(isPatient ? patientMillisecondsMax : millisecondsMax, exchange.untilGone());
}
