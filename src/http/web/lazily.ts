/** Handlers of pages, loaded with the template library only by a server that has the web page. */
import { TooManyRequests } from "../../domain/errors.js";
import { Deadline } from "../../lib/deadline.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { receiveForm } from "./forms.js";
import { webOf } from "./web.js";

/** A page that takes longer waits for the storage, and others of its client need not wait with it. */
const turnMilliseconds = 250;

const retrySeconds = 1;

export type PageHandler<P> = (
  context: HttpContext,
  exchange: Exchange,
  permit: P,
  last: string,
) => void | Promise<void>;

/** The row's handler. Rows on the registry as a whole have no `last`. */
interface RowHandler<P> {
  (context: HttpContext, exchange: Exchange, permit: P, last?: string): Promise<void>;
  /** Loads the module of the handler, which else happens with the first request. */
  load(): Promise<unknown>;
}

/** Handles a form that has passed the checks of `receiveForm`. */
export type FormHandler<P> = (
  context: HttpContext,
  exchange: Exchange,
  permit: P,
  form: URLSearchParams,
  last: string,
) => void | Promise<void>;

/** A page, whose module is loaded on demand. Those of one client take turns. */
export function page<P>(load: () => Promise<PageHandler<P>>): RowHandler<P> {
  const handleRow = async (context: HttpContext, exchange: Exchange, permit: P, last = "") => {
    const handle = await load();
    const { turns, open, live } = webOf(context);
    const { client } = exchange;
    const gone = exchange.untilGone();
    const make = async () => {
      try {
        await handle(context, exchange, permit, last);
      } finally {
        open.leave(client);
      }
    };
    const { made } = await turns.within(client, gone, async () => {
      await context.services.cluster.changes.followAll();
      if (!open.enter(client))
        throw new TooManyRequests("pages", "too many pages wait for the storage", retrySeconds);
      live.expectPage();
      const made = make();
      await new Deadline(turnMilliseconds, gone).within(made);
      return { made };
    });
    await made;
  };
  return Object.assign(handleRow, { load });
}

/** A file, which may take as long as its reader wants. */
export function file<P>(load: () => Promise<PageHandler<P>>): RowHandler<P> {
  const handleRow = async (context: HttpContext, exchange: Exchange, permit: P, last = "") => {
    const handle = await load();
    await handle(context, exchange, permit, last);
  };
  return Object.assign(handleRow, { load });
}

/** An action of a page: its form is received and checked before the handler runs. */
export function form<P>(load: () => Promise<FormHandler<P>>): RowHandler<P> {
  const handleRow = async (context: HttpContext, exchange: Exchange, permit: P, last = "") => {
    const received = await receiveForm(context, exchange);
    const handle = await load();
    await context.services.cluster.changes.followAll();
    await handle(context, exchange, permit, received, last);
  };
  return Object.assign(handleRow, { load });
}
