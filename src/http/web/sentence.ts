/** Returns the message of an error as a sentence. A subject at its beginning, such as `user:ann`, keeps its case. */
export function sentence(message: string): string {
  if (/^[a-z]+:\S/.test(message)) return `${message}.`;
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
}
