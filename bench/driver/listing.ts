/** Reads complete lists like clients: page by page, following `Link`. */
import { Client } from "undici";
import type { Endpoint } from "./endpoint.js";

export interface ListingPage {
  readonly items: readonly string[];
  /** The path of the next page, if there is one. */
  readonly next: string | undefined;
}

/** Plain HTTP. These responses may be chunked: undici reads those as well. */
export class ListingReader implements AsyncDisposable {
  readonly #client: Client;

  constructor(
    { port }: Endpoint,
    readonly field: "tags" | "repositories",
  ) {
    this.#client = new Client(`http://127.0.0.1:${port}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.destroy();
  }

  async page(path: string): Promise<ListingPage> {
    const { statusCode, headers, body } = await this.#client.request({ method: "GET", path });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`GET ${path}: ${statusCode} ${text.slice(0, 500)}`);
    const items: readonly string[] = JSON.parse(text)[this.field] ?? [];
    const link = /^<([^>]+)>/.exec(String(headers.link ?? ""))?.[1];
    if (link === undefined) return { items, next: undefined };
    const next = new URL(link, "http://127.0.0.1");
    return { items, next: next.pathname + next.search };
  }
}
