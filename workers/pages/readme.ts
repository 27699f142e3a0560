/**
 * Renders an untrusted README. Raw HTML is text, images are their descriptions, links lead to the web only, and headings rank
 * below those of the page.
 */
import MarkdownIt from "markdown-it";
import { visibleText } from "../../src/lib/control-characters.js";

/** A page shows one part. */
const partBytesMax = 10_000;
const partsMax = 4;

/** Longer texts are not rendered to the end. This much takes up to 250 ms. */
const charactersMax = 64 * 1024;

/** The README's title ranks below the page's (1) and its section's (2). */
const headingShift = 2;

const markdown = new MarkdownIt({ html: false, linkify: false });
markdown.validateLink = (url) => /^(?:https?:\/\/|mailto:)/i.test(url);

const { rules } = markdown.renderer;
rules.image = (tokens, index) => markdown.utils.escapeHtml(tokens[index]?.content || "image");
rules.link_open = (tokens, index, options, _env, self) => {
  tokens[index]?.attrSet("rel", "nofollow noopener noreferrer");
  return self.renderToken(tokens, index, options);
};
rules.heading_open = (tokens, index) => `<${headingOf(tokens[index]?.tag)}>`;
rules.heading_close = (tokens, index) => `</${headingOf(tokens[index]?.tag)}>\n`;
rules.table_open = () => '<div class="scroll" tabindex="0"><table>\n';
rules.table_close = () => "</table></div>\n";
rules.fence = (tokens, index) => codeOf(tokens[index]?.content ?? "");
rules.code_block = rules.fence;

function headingOf(tag = "h1"): string {
  return `h${Math.min(6, Number(tag.slice(1)) + headingShift)}`;
}

/** The source of a block, or its beginning: a single one, such as a table, may be longer than a part. */
function codeOf(content: string): string {
  const text = content.length > partBytesMax / 4 ? `${content.slice(0, partBytesMax / 4)}…` : content;
  return `<pre tabindex="0"><code>${markdown.utils.escapeHtml(text)}</code></pre>\n`;
}

/** Emoji consist of several characters, some of them invisible. */
const joiners = /[\u200d\ufe0e\ufe0f]/g;

/** Returns the HTML in parts, each of whole blocks. */
export function renderReadme(bytes: Uint8Array): string[] {
  const source = new TextDecoder().decode(bytes.subarray(0, charactersMax * 4)).slice(0, charactersMax);
  const text = visibleText(source.replace(/\r\n?/g, "\n").replace(joiners, ""));
  const lines = text.split("\n");
  const tokens = markdown.parse(text, {});
  const parts: string[] = [];
  let part = "";
  for (let start = 0, end = 0; start < tokens.length; start = end) {
    end = blockEnd(tokens, start);
    const html = markdown.renderer.render(tokens.slice(start, end), markdown.options, {});
    const isLong = Buffer.byteLength(html) > partBytesMax;
    const block = isLong ? codeOf(lines.slice(...(tokens[start]?.map ?? [0, 0])).join("\n")) : html;
    if (part !== "" && Buffer.byteLength(part) + Buffer.byteLength(block) > partBytesMax) {
      parts.push(part);
      part = "";
      if (parts.length === partsMax) return parts;
    }
    part += block;
  }
  return part === "" ? parts : [...parts, part];
}

/** Returns the position after the block that begins at `start`. */
function blockEnd(tokens: readonly { readonly nesting: number }[], start: number): number {
  let depth = 0;
  for (let index = start; index < tokens.length; index++) {
    depth += tokens[index]?.nesting ?? 0;
    if (depth === 0) return index + 1;
  }
  return tokens.length;
}
