/** Globs of repositories' names and of other text, as settings, policies and keys have them. */
import picomatch from "picomatch";

/**
 * Whether a repository's name, a tag or a claim matches one of the globs: `*` stops at a slash, `**` does not. A leading
 * `!` means nothing: what is granted is what is named, never what is left.
 */
export function nameMatcher(globs: readonly string[]): (name: string) => boolean {
  return picomatch([...globs], { dot: true, nonegate: true });
}
