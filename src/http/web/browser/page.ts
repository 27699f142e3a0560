/**
 * The only script of the web page: theme, live updates, search while typing, and forms that are sent once. Everything else works without it. It never
 * makes HTML of texts; it shows pages that the server has rendered. It is one file, so that browsers load it by one request
 * without a bundler.
 */

/** Milliseconds. Pauses grow by `factor` up to `max`. */
const pauses = {
  /** A page of which parts are still computed. */
  pending: { first: 700, factor: 1.5, max: 10_000 },
  /** A page that changes again and again. */
  refresh: { first: 300, factor: 2, max: 10_000 },
  /** A stream of changes that the server has refused. */
  connect: { first: 5_000, factor: 2, max: 300_000 },
} as const;

/** A page that has not changed for this time is shown at once when it changes. */
const quietMilliseconds = 10_000;

/** How soon to look again whether the visitor still types. */
const busyMilliseconds = 1_000;

/** A form that is sent again within this time was clicked twice. */
const sendingMilliseconds = 2_000;

/** A letter typed within this time delays the search. */
const typingMilliseconds = 150;

/** Pauses that grow while the same thing is repeated. */
class Pause {
  #next: number;

  constructor(readonly limits: { readonly first: number; readonly factor: number; readonly max: number }) {
    this.#next = limits.first;
  }

  next(): number {
    const pause = this.#next;
    this.#next = Math.min(pause * this.limits.factor, this.limits.max);
    return pause;
  }

  reset(): void {
    this.#next = this.limits.first;
  }
}

// Theme

const themes = ["auto", "light", "dark"] as const;
type Theme = (typeof themes)[number];

function storedTheme(): Theme {
  try {
    return themes.find((theme) => theme === localStorage.getItem("theme")) ?? "auto";
  } catch {
    return "auto"; // Storage is off.
  }
}

function applyTheme(theme: Theme): void {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function addThemeButton(): void {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "theme";
  let theme = storedTheme();
  const show = () => {
    button.textContent = `Theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length] ?? "auto";
    applyTheme(theme);
    show();
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // It holds for this page.
    }
  });
  show();
  document.querySelector("body > header")?.append(button);
}

// Messages for screen readers

const messages = document.createElement("p");
messages.className = "hidden";
messages.setAttribute("role", "status");

function announce(text: string): void {
  messages.textContent = text;
}

// Pages

interface Page {
  readonly main: HTMLElement;
  readonly title: string;
}

/**
 * Loads a page. Returns `undefined` if the server cannot answer now. Goes to the login if the session has ended. With
 * `prefer: "wait=1"`, the server may take a moment to know more of what the page shows (RFC 7240).
 */
async function load(
  url: string,
  signal: AbortSignal,
  preferences: { readonly prefer?: string } = {},
): Promise<Page | undefined> {
  const response = await fetch(url, { signal, headers: { accept: "text/html", ...preferences } });
  if (response.redirected) location.assign(url);
  if (response.redirected || response.status === 429 || response.status >= 500) return undefined;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const main = page.getElementById("main");
  return main === null ? undefined : { main, title: page.title };
}

/** Names an element that a page contains again when it is loaded again. */
function nameOf(element: Element): string {
  const attributes = ["id", "type", "name", "href", "action"].map((name) => element.getAttribute(name));
  const isChoice = element instanceof HTMLInputElement && ["checkbox", "radio"].includes(element.type);
  const text = element.matches("details") ? element.querySelector("summary")?.textContent : "";
  return JSON.stringify([element.tagName, ...attributes, isChoice ? element.value : "", text]);
}

/** Elements with a state: what a visitor has typed, chosen, opened, scrolled or focused. */
const withState = "input, textarea, select, details, summary, a, button, .scroll, pre";

/** Returns the elements with a state by their names, numbered if several have the same. */
function stateful(main: HTMLElement): Map<string, Element> {
  const found = new Map<string, Element>();
  const counts = new Map<string, number>();
  for (const element of main.querySelectorAll(withState)) {
    const name = nameOf(element);
    const count = counts.get(name) ?? 0;
    counts.set(name, count + 1);
    found.set(`${name} ${count}`, element);
  }
  return found;
}

function isTextField(element: Element | null): element is HTMLInputElement | HTMLTextAreaElement {
  if (element instanceof HTMLTextAreaElement) return true;
  return element instanceof HTMLInputElement && !["checkbox", "radio", "hidden"].includes(element.type);
}

function copyState(from: Element, to: Element): void {
  if (from instanceof HTMLDetailsElement && to instanceof HTMLDetailsElement) to.open = from.open;
  else if (isTextField(from) && isTextField(to)) {
    if (from.value !== from.defaultValue) to.value = from.value;
  } else if (from instanceof HTMLInputElement && to instanceof HTMLInputElement) {
    if (from.checked !== from.defaultChecked) to.checked = from.checked;
    if (from.dataset.seen !== undefined) to.value = from.value;
  } else if (from instanceof HTMLSelectElement && to instanceof HTMLSelectElement) to.value = from.value;
}

function focusLike(from: Element, to: Element): void {
  if (!(to instanceof HTMLElement)) return;
  to.focus({ preventScroll: true });
  if (!isTextField(from) || !isTextField(to) || from.selectionStart === null) return;
  to.setSelectionRange(from.selectionStart, from.selectionEnd);
}

const rows = "tbody tr, li";

/** A row is another one if it leads elsewhere. */
function rowName(row: Element): string {
  return Array.from(row.querySelectorAll("a"), (link) => link.getAttribute("href")).join(" ");
}

function markFresh(before: HTMLElement, after: HTMLElement): void {
  const known = new Set(Array.from(before.querySelectorAll(rows), rowName));
  for (const row of after.querySelectorAll(rows)) {
    const name = rowName(row);
    if (name !== "" && !known.has(name)) row.classList.add("fresh");
  }
}

/** Shows the same page as it is now. What the visitor has done with it stays. */
function showAgain(old: HTMLElement, fresh: HTMLElement): void {
  const before = stateful(old);
  const after = stateful(fresh);
  const { activeElement } = document;
  markFresh(old, fresh);
  for (const [name, from] of before) {
    const to = after.get(name);
    if (to !== undefined) copyState(from, to);
  }
  const places = Array.from(before, ([name, { scrollLeft, scrollTop }]) => ({ name, scrollLeft, scrollTop }));
  old.replaceWith(fresh);
  for (const { name, scrollLeft, scrollTop } of places) {
    const to = after.get(name);
    if (to !== undefined && (scrollLeft > 0 || scrollTop > 0)) to.scrollTo(scrollLeft, scrollTop);
  }
  if (activeElement === null || !old.contains(activeElement)) return;
  const [name] = [...before].find(([, element]) => element === activeElement) ?? [];
  const to = name === undefined ? undefined : after.get(name);
  if (to === undefined) fresh.focus({ preventScroll: true });
  else focusLike(activeElement, to);
}

/** Whether the visitor is typing or has selected text, which a new page would disturb. */
function isBusy(main: HTMLElement): boolean {
  const { activeElement } = document;
  if (main.contains(activeElement) && isTextField(activeElement))
    if (activeElement.value !== activeElement.defaultValue) return true;
  const selection = getSelection();
  return selection !== null && !selection.isCollapsed && main.contains(selection.anchorNode);
}

// Live updates

interface Change {
  readonly kind: "pushed" | "removed" | "emptied" | "changed";
  readonly name: string;
  readonly tag?: string;
}

interface Update {
  readonly changes: readonly Change[];
  readonly hasMore: boolean;
}

function textOf({ changes: [first, ...others], hasMore }: Update): string {
  if (first === undefined || others.length > 0 || hasMore) return "The page was updated";
  const what = first.tag === undefined ? first.name : `${first.name}:${first.tag}`;
  const has = {
    pushed: "was pushed",
    removed: "was removed",
    emptied: "is empty now",
    changed: "has changed",
  };
  return `${what} ${has[first.kind]}`;
}

/** The page that is shown, which follows the changes of the registry while it is visible. */
class LivePage {
  readonly #pending = new Pause(pauses.pending);
  readonly #refresh = new Pause(pauses.refresh);
  readonly #connect = new Pause(pauses.connect);
  #stream: EventSource | undefined;
  #streamOf = "";
  #connecting: number | undefined;
  #refreshing: number | undefined;
  #refreshedAt = 0;
  #isLoading = false;
  #isOutdated = false;
  #loads = new AbortController();

  get main(): HTMLElement | null {
    return document.getElementById("main");
  }

  start(): void {
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#resume();
      else this.#suspend();
    });
    // A page that the browser keeps for the button "back".
    addEventListener("pagehide", () => this.#suspend());
    addEventListener("pageshow", ({ persisted }) => {
      if (persisted) this.#resume();
    });
    if (document.visibilityState === "visible") this.#follow();
    this.#loadPending();
  }

  /** Call it when another page is shown. */
  turned(): void {
    this.#loads.abort();
    this.#loads = new AbortController();
    clearTimeout(this.#refreshing);
    this.#refreshing = undefined;
    this.#isOutdated = false;
    this.#pending.reset();
    this.#follow();
    this.#loadPending();
  }

  #suspend(): void {
    this.#close();
    clearTimeout(this.#refreshing);
    this.#refreshing = undefined;
  }

  #resume(): void {
    this.#connect.reset();
    this.#follow();
    if (this.main?.dataset.live !== undefined || this.main?.dataset.pending !== undefined) this.#refreshIn(0);
  }

  #close(): void {
    this.#stream?.close();
    this.#stream = undefined;
    clearTimeout(this.#connecting);
  }

  #follow(): void {
    const { live, at = "" } = this.main?.dataset ?? {};
    if (live === undefined) {
      this.#close();
      return;
    }
    const path = live === "*" ? "/ui/events" : `/ui/r/${live}/_events`;
    if (this.#stream !== undefined && this.#streamOf === path) return;
    this.#close();
    this.#streamOf = path;
    const stream = new EventSource(`${path}?${new URLSearchParams({ at })}`);
    this.#stream = stream;
    let opened = 0;
    stream.addEventListener("open", () => {
      this.#connect.reset();
      // What has changed while there was no connection is not known.
      if (opened++ > 0) this.#changed();
    });
    stream.addEventListener("change", ({ data }: MessageEvent<string>) => {
      this.#changed(textOf(JSON.parse(data) as Update));
    });
    stream.addEventListener("error", () => {
      // Otherwise the browser connects again by itself.
      if (stream.readyState !== EventSource.CLOSED || this.#stream !== stream) return;
      this.#stream = undefined;
      const pause = this.#connect.next() * (1 + Math.random());
      this.#connecting = setTimeout(() => this.#reconnect(), pause);
    });
  }

  #reconnect(): void {
    if (document.visibilityState !== "visible") return;
    this.#follow();
    this.#changed();
  }

  #changed(message = ""): void {
    if (Date.now() - this.#refreshedAt > quietMilliseconds) this.#refresh.reset();
    this.#isOutdated = true;
    if (this.#refreshing === undefined && !this.#isLoading) this.#refreshIn(this.#refresh.next(), message);
  }

  #loadPending(): void {
    if (this.main?.dataset.pending !== undefined) this.#refreshIn(this.#pending.next());
    else this.#pending.reset();
  }

  #refreshIn(milliseconds: number, message = ""): void {
    clearTimeout(this.#refreshing);
    this.#refreshing = setTimeout(() => {
      this.#refreshing = undefined;
      void this.#load(message);
    }, milliseconds);
  }

  async #load(message: string): Promise<void> {
    const { main } = this;
    if (main === null || this.#isLoading || document.visibilityState !== "visible") return;
    if (isBusy(main)) {
      this.#refreshIn(busyMilliseconds, message);
      return;
    }
    const { signal } = this.#loads;
    this.#isLoading = true;
    this.#isOutdated = false;
    const page = await load(location.href, signal, { prefer: "wait=1" }).catch(() => undefined);
    this.#isLoading = false;
    if (signal.aborted) return;
    this.#refreshedAt = Date.now();
    if (page === undefined) this.#isOutdated = true;
    else this.#show(main, page, message);
    if (this.#isOutdated) this.#changed(message);
    else this.#loadPending();
  }

  #show(main: HTMLElement, { main: fresh, title }: Page, message: string): void {
    if (isBusy(main)) {
      this.#isOutdated = true;
      return;
    }
    document.title = title;
    if (main.innerHTML === fresh.innerHTML) {
      for (const name of ["data-live", "data-at", "data-pending"]) {
        const value = fresh.getAttribute(name);
        if (value === null) main.removeAttribute(name);
        else main.setAttribute(name, value);
      }
      return;
    }
    showAgain(main, fresh);
    if (message !== "") announce(message);
  }
}

// Search while typing

function addSearch(page: LivePage): void {
  const field = document.querySelector<HTMLInputElement>('header input[type="search"][name="q"]');
  if (field === null) return;
  let timer: number | undefined;
  let searching = new AbortController();
  let isResults = new URLSearchParams(location.search).has("q");
  const search = async () => {
    searching.abort();
    searching = new AbortController();
    const { signal } = searching;
    const text = field.value.trim();
    const url = text === "" ? "/ui/" : `/ui/?${new URLSearchParams({ q: text })}`;
    const found = await load(url, signal).catch(() => undefined);
    if (found === undefined || signal.aborted) return;
    if (isResults) history.replaceState(null, "", url);
    else history.pushState(null, "", url);
    isResults = true;
    document.title = found.title;
    page.main?.replaceWith(found.main);
    page.turned();
    announce(found.main.querySelector("[role=status], h1")?.textContent ?? "");
  };
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => void search(), typingMilliseconds);
  });
  // The form is about to show the same results as a page.
  field.form?.addEventListener("submit", () => {
    clearTimeout(timer);
    searching.abort();
  });
  // The page of that address is not the one that is shown.
  addEventListener("popstate", () => location.reload());
  field.setAttribute("aria-keyshortcuts", "/");
  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target instanceof Element && target.matches("input, textarea, select, [contenteditable]")) return;
    event.preventDefault();
    field.focus();
    field.select();
  });
}

// Forms

/** Sends a form once for a double click: the second answer would hide the first, with the key of a new robot. */
function sendOnce(): void {
  const sent = new WeakSet<EventTarget>();
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || form.method !== "post") return;
    if (sent.has(form)) event.preventDefault();
    sent.add(form);
    setTimeout(() => sent.delete(form), sendingMilliseconds);
  });
}

applyTheme(storedTheme());
document.addEventListener("DOMContentLoaded", () => {
  document.body.append(messages);
  addThemeButton();
  sendOnce();
  const page = new LivePage();
  page.start();
  addSearch(page);
});
