/** Returns at most the first `charactersMax` characters, with an ellipsis if there are more. */
export function cutText(text: string, charactersMax: number): string {
  return text.length > charactersMax ? `${text.slice(0, charactersMax)}…` : text;
}
