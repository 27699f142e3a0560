// Violations found by a torture. They are collected instead of thrown, so that one check reports all of them.

/** Maximum number kept; one fault may show in thousands of places. */
const violationsMax = 50;

export class Violations {
  readonly texts: string[] = [];
  count = 0;

  add(text: string): void {
    this.count++;
    if (this.texts.length < violationsMax) this.texts.push(text);
  }
}
