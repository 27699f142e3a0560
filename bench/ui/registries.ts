/** Where each compared registry has its pages, and what shows that a page has its content. */
import { layerCommand, namespace, newestTag, type PushedImage, visitedRepository } from "./content.js";

export const pageKinds = ["repositories", "repository", "image"] as const;
/** The list of repositories, one repository with its tags, one image with its layers. */
export type PageKind = (typeof pageKinds)[number];

export interface ContentPage {
  readonly path: string;
  /** Visible only when the content is. */
  readonly text: string;
}

type Pages = (image: PushedImage) => Readonly<Record<PageKind, ContentPage>>;

/** What a browser that has been there before keeps in the registry's local storage. */
export const remembered: Readonly<Partial<Record<string, Readonly<Record<string, string>>>>> = {
  // Without it, zui asks how to log in, and shows its home page instead of the page of the link.
  zot: { authConfig: "{}" },
};

export const registries = {
  gantry: () => ({
    repositories: { path: "/ui/", text: namespace },
    repository: { path: `/ui/r/${visitedRepository}/_tags`, text: newestTag },
    image: { path: `/ui/r/${visitedRepository}/_image/${newestTag}`, text: layerCommand },
  }),
  /** With the extensions `search` and `ui`. */
  zot: () => ({
    repositories: { path: "/home", text: namespace },
    repository: { path: `/image/${encodeURIComponent(visitedRepository)}`, text: newestTag },
    image: {
      path: `/image/${encodeURIComponent(visitedRepository)}/tag/${newestTag}`,
      text: layerCommand,
    },
  }),
  /** With `ui.enabled`, and a repository of the name of the namespace. Shows no commands, only layers. */
  angos: ({ layerDigest }) => ({
    repositories: { path: "/", text: namespace },
    repository: { path: `/${visitedRepository}`, text: newestTag },
    image: { path: `/${visitedRepository}:${newestTag}`, text: layerDigest },
  }),
} satisfies Readonly<Record<string, Pages>>;

export type RegistryKind = keyof typeof registries;

export interface Measured {
  readonly kind: RegistryKind;
  /** Without a slash at its end. */
  readonly url: string;
}

export function parsePeer(given: string): Measured {
  const [kind, url] = given.split(/=(.*)/s);
  if (kind === undefined || !isRegistryKind(kind) || url === undefined || !URL.canParse(url)) {
    throw new Error(
      `--peer must be ${Object.keys(registries).join(" or ")}, and its URL: zot=http://127.0.0.1:8080`,
    );
  }
  return { kind, url: url.replace(/\/+$/, "") };
}

function isRegistryKind(name: string): name is RegistryKind {
  return Object.hasOwn(registries, name);
}
