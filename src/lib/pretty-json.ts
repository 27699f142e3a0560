/**
 * Indents JSON without parsing it: numbers, duplicate keys and the order of keys stay as they are, and a large or damaged
 * document costs no more than the part that is shown.
 */

export interface PrettyText {
  readonly text: string;
  /** Whether more follows. */
  readonly isTruncated: boolean;
}

/** Deeper levels are not indented further: a thousand nested lists would be a million spaces. */
const indentMax = 32;

export function prettyJson(json: string, charactersMax: number): PrettyText {
  let text = "";
  let depth = 0;
  let index = 0;
  const line = () => `\n${"  ".repeat(Math.min(depth, indentMax))}`;
  for (; index < json.length && text.length < charactersMax; index++) {
    const character = json[index] ?? "";
    switch (character) {
      case " ":
      case "\n":
      case "\r":
      case "\t":
        break;
      case '"': {
        const end = stringEnd(json, index, index + charactersMax);
        text += json.slice(index, end);
        index = end - 1;
        break;
      }
      case "{":
      case "[": {
        const next = skipSpace(json, index + 1);
        const isEmpty = json[next] === "}" || json[next] === "]";
        text += character;
        if (isEmpty) {
          text += json[next];
          index = next;
        } else {
          depth++;
          text += line();
        }
        break;
      }
      case "}":
      case "]":
        depth = Math.max(0, depth - 1);
        text += `${line()}${character}`;
        break;
      case ",":
        text += `,${line()}`;
        break;
      case ":":
        text += ": ";
        break;
      default:
        text += character;
    }
  }
  const isTruncated = text.length > charactersMax || skipSpace(json, index) < json.length;
  return { text: text.slice(0, charactersMax), isTruncated };
}

/** Returns the position after the string that starts at `start`, but none after `limit`. */
function stringEnd(json: string, start: number, limit: number): number {
  const last = Math.min(json.length, limit);
  for (let index = start + 1; index < last; index++) {
    if (json[index] === "\\") index++;
    else if (json[index] === '"') return index + 1;
  }
  return last;
}

function skipSpace(json: string, start: number): number {
  let index = start;
  while (index < json.length && " \n\r\t".includes(json[index] ?? "")) index++;
  return index;
}
