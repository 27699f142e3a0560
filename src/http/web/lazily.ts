/** Handlers of pages, loaded with the template library only by a server that has the web page. */
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { receiveForm, webOf } from "./forms.js";

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
    const { turns, live } = webOf(context);
    await turns.within(exchange.client, exchange.untilGone(), async () => {
      live.expectPage();
      await handle(context, exchange, permit, last);
    });
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
    await handle(context, exchange, permit, received, last);
  };
  return Object.assign(handleRow, { load });
}
