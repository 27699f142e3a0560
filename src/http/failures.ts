/** Turns errors into responses: the API's, or a page for a browser. */
import type { HttpResponse } from "uWebSockets.js";
import { RegistryError, TooManyRequests } from "../domain/errors.js";
import { ClientGone } from "./body.js";
import type { HttpContext, Login } from "./context.js";
import { ErrorHeaders, jsonType, type OriginWarning, retryAfter } from "./error-headers.js";
import { type RenderedError, renderError } from "./errors.js";
import type { Exchange } from "./exchange.js";
import { isPagePath } from "./web/page-requests.js";
import { sendErrorPage } from "./web/send-error.js";

export interface FailureOptions {
  readonly login?: Login | undefined;
  readonly publicOrigin?: string | undefined;
  readonly onOrigin?: OriginWarning | undefined;
  readonly onUnexpectedError: (error: unknown, exchange: Exchange | undefined) => void;
}

export class Failures {
  readonly #headers: ErrorHeaders;

  constructor(
    readonly context: HttpContext,
    readonly options: FailureOptions,
  ) {
    this.#headers = new ErrorHeaders(options.login, options.publicOrigin, options.onOrigin);
  }

  /** Whether errors of this request are shown as a page. */
  isPage(exchange: Exchange): boolean {
    return this.context.web !== undefined && isPagePath(exchange.path);
  }

  refuseMethod(exchange: Exchange, allow: string): void {
    const { status, body } = renderError(
      new RegistryError("method-not-allowed", `this endpoint allows ${allow}`),
    );
    exchange.send(status, [["Allow", allow], jsonType], body);
  }

  /**
   * Sends the error, or closes the connection if a response has begun. Without an exchange, the request could not be read. Returns
   * a promise for the errors of pages only.
   */
  answer(exchange: Exchange | undefined, response: HttpResponse, error: unknown): Promise<void> | undefined {
    if (error instanceof ClientGone) return undefined;
    const accesses = exchange && this.#headers.accesses(exchange, error);
    const rendered = renderError(error, accesses);
    const { status, body, unexpected } = rendered;
    if (unexpected) this.options.onUnexpectedError(error, exchange);
    if (exchange === undefined) {
      response.cork(() => response.writeStatus("500 Internal Server Error").end(body));
      return undefined;
    }
    if (error instanceof TooManyRequests) exchange.limit = error.limit;
    if (exchange.aborted) return undefined;
    // Too late for an error response: only a broken connection shows the client that bytes are missing.
    if (exchange.responded) exchange.close();
    else if (this.isPage(exchange)) return this.#sendPage(exchange, rendered, error);
    else exchange.send(status, this.#headers.of(exchange, error), body);
    return undefined;
  }

  async #sendPage(exchange: Exchange, rendered: RenderedError, error: unknown): Promise<void> {
    const headers = error instanceof TooManyRequests ? [retryAfter(error)] : [];
    try {
      await sendErrorPage(this.context, exchange, rendered, headers);
    } catch (unrendered) {
      if (unrendered instanceof ClientGone) return;
      this.options.onUnexpectedError(unrendered, exchange);
      exchange.send(rendered.status, [jsonType], rendered.body);
    }
  }
}
