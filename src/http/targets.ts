/** Finds the route of a method and URL, and remembers it: CI jobs pull the same manifests and blobs again and again. */
import { RegistryError } from "../domain/errors.js";
import { decodePath } from "./path.js";
import { type Match, Router } from "./router.js";
import { routes } from "./routes.js";
import { webRoutes } from "./web/routes.js";

export interface Target {
  /** Decoded if possible. */
  readonly path: string;
  /** The route, or why there is none. */
  readonly match: Match | RegistryError;
}

/** A longer path cannot be valid: a name has at most 255 characters, a digest 135. */
const urlCharactersMax = 4096;

/** URLs of each method that are remembered: about 1 KiB each. */
const knownUrlsMax = 1024;
const knownUrlCharactersMax = 256;

export class Targets {
  readonly #router = new Router([...routes, ...webRoutes]);
  /** Clients ask with HEAD, then with GET. The addresses of uploads come once, and would displace the others. */
  readonly #known: ReadonlyMap<string, Map<string, Target>> = new Map([
    ["GET", new Map<string, Target>()],
    ["HEAD", new Map<string, Target>()],
  ]);

  of(method: string, url: string): Target {
    const known = this.#known.get(method);
    const before = known?.get(url);
    if (before !== undefined) return before;
    const target = this.#find(method, url);
    if (
      known !== undefined &&
      url.length <= knownUrlCharactersMax &&
      !(target.match instanceof RegistryError)
    ) {
      if (known.size >= knownUrlsMax) known.clear();
      known.set(url, target);
    }
    return target;
  }

  #find(method: string, url: string): Target {
    if (url.length > urlCharactersMax) {
      const error = new RegistryError("uri-too-long", `a path has at most ${urlCharactersMax} characters`);
      return { path: url, match: error };
    }
    try {
      const path = decodePath(url);
      return { path, match: this.#router.match(method, path) };
    } catch (error) {
      if (error instanceof RegistryError) return { path: url, match: error };
      throw error;
    }
  }
}
