/** The part of autocannon's interface that the load scenarios use; the package has no types. */
declare module "autocannon" {
  namespace autocannon {
    /** http-parser-js as autocannon drives it: a body of zero bytes is a finished reply. */
    interface Client {
      readonly parser: { body_bytes: number | null; isChunked: boolean };
      on(event: "headers", listener: () => void): void;
    }

    interface Options {
      readonly url: string;
      readonly method: "GET" | "HEAD";
      readonly headers: Readonly<Record<string, string>>;
      readonly connections: number;
      /** Seconds. */
      readonly duration: number;
      readonly setupClient: (client: Client) => void;
    }

    interface Result {
      readonly requests: { readonly total: number };
      /** Milliseconds. */
      readonly latency: { readonly p50: number; readonly p99: number };
      /** Seconds. */
      readonly duration: number;
      readonly errors: number;
      readonly non2xx: number;
    }
  }

  function autocannon(options: autocannon.Options): Promise<autocannon.Result>;
  export = autocannon;
}
