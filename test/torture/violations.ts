// What a torture has found wrong. Collected, not thrown, so that one look tells all of it.

/** What is kept; one fault may show in thousands of places. */
const violationsMax = 50;

export class Violations {
  readonly texts: string[] = [];
  count = 0;

  add(text: string): void {
    this.count++;
    if (this.texts.length < violationsMax) this.texts.push(text);
  }
}
