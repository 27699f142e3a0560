// A visitor of the web page: keeps cookies as a browser does, and sends the forms of pages.

import assert from "node:assert/strict";
import type { SecureContextOptions } from "node:tls";
import { type Answer, Client } from "./client.js";
import { eventually } from "./store.js";

type Fields = Readonly<Record<string, string>>;

export interface CookieSet {
  readonly name: string;
  readonly value: string;
  /** In lower case, such as `httponly`, each with its value. */
  readonly attributes: ReadonlyMap<string, string>;
}

export function cookiesOf({ headers }: Pick<Answer, "headers">): CookieSet[] {
  return (headers["set-cookie"] ?? []).map((line) => {
    const [pair = "", ...rest] = line.split("; ");
    const attributes = rest.map((part) => {
      const [key = "", value = ""] = part.split("=");
      return [key.toLowerCase(), value] as const;
    });
    const equals = pair.indexOf("=");
    return { name: pair.slice(0, equals), value: pair.slice(equals + 1), attributes: new Map(attributes) };
  });
}

export class Visitor {
  readonly cookies = new Map<string, string>();
  readonly #client: Client;

  constructor(
    url: string,
    /** Headers of each request, such as those of a proxy. */
    headers: Fields = {},
    tls: SecureContextOptions = {},
  ) {
    this.#client = new Client(url, undefined, tls, headers);
  }

  get cookieHeader(): string {
    return Array.from(this.cookies, ([name, value]) => `${name}=${value}`).join("; ");
  }

  async request(
    method: string,
    path: string,
    options: { readonly headers?: Fields; readonly body?: string } = {},
  ): Promise<Answer> {
    const cookie = this.cookies.size === 0 ? {} : { Cookie: this.cookieHeader };
    const answer = await this.#client.request(method, path, {
      ...options,
      headers: { ...cookie, ...options.headers },
    });
    for (const { name, value, attributes } of cookiesOf(answer))
      if (attributes.get("max-age") === "0") this.cookies.delete(name);
      else this.cookies.set(name, value);
    return answer;
  }

  get(path: string, headers: Fields = {}): Promise<Answer> {
    return this.request("GET", path, { headers });
  }

  /** Opens a page, and the one to which it leads by itself. */
  async open(path: string, headers: Fields = {}): Promise<Answer> {
    const answer = await this.get(path, headers);
    const next = nextIn(answer);
    return next === undefined ? answer : this.get(next);
  }

  /** Sends a form with exactly these fields. */
  post(path: string, fields: Fields, headers: Fields = {}): Promise<Answer> {
    return this.request("POST", path, {
      headers: { "Content-Type": "application/x-www-form-urlencoded", ...headers },
      body: new URLSearchParams(fields).toString(),
    });
  }

  /** Returns the token in the forms of a page. On a busy machine, a page may lack its form at first. */
  formToken(page = "/ui/login"): Promise<string> {
    return eventually(`a form in ${page}`, async () => tokenIn(await this.open(page)));
  }

  /** Sends a form as the page does that has it. */
  async submit(path: string, fields: Fields, page = "/ui/login"): Promise<Answer> {
    return this.post(path, { form: await this.formToken(page), ...fields });
  }

  logIn(user: string, password: string, fields: Fields = {}): Promise<Answer> {
    return this.submit("/ui/login", { user, password, ...fields });
  }

  async logOut(): Promise<void> {
    const answer = await this.submit("/ui/logout", {}, "/");
    assert.equal(answer.status, 303, answer.body.toString());
  }
}

export function tokenIn(answer: Answer): string | undefined {
  return /<input type="hidden" name="form" value="([\w-]+)"/.exec(answer.body.toString())?.[1];
}

/** Returns a visitor who has logged in. */
export async function loggedIn(url: string, user: string, password: string): Promise<Visitor> {
  const visitor = new Visitor(url);
  const answer = await visitor.logIn(user, password);
  assert.equal(answer.status, 303, answer.body.toString());
  return visitor;
}

/** Returns the page to which a page leads by itself. */
export function nextIn(answer: Answer): string | undefined {
  const found = /<meta http-equiv="refresh" content="0; url=([^"]+)"/.exec(answer.body.toString());
  return found?.[1]?.replaceAll("&amp;", "&");
}
