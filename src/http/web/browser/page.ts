/** The only script of the web page. Everything but live search and live updates works without it. */

const pendingMilliseconds = 700;

/** Loads the page again and replaces its content, so that focus and scroll position stay. */
async function refresh(): Promise<void> {
  const main = document.getElementById("main");
  const response = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!response.ok || main === null) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById("main");
  if (fresh === null) return;
  main.replaceWith(fresh);
  schedule(fresh);
}

function schedule(main: HTMLElement | null): void {
  if (main?.dataset.pending !== undefined) setTimeout(() => void refresh(), pendingMilliseconds);
}

schedule(document.getElementById("main"));
