// Pentamer: live lists. Everything works without it; with it a list is brought up to date while it is open.
(() => {
  "use strict";
  const list = document.querySelector("[data-live]");
  const says = document.querySelector("[data-live-says]");
  if (!list || !window.EventSource) return;

  const say = (text, on) => {
    if (!says) return;
    says.textContent = text;
    says.classList.toggle("on", on);
  };

  // Rows that are new are marked; what has the focus keeps it, and the page stays where it is.
  const take = (text) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    const fresh = page.querySelector("[data-live]");
    if (!fresh) { location.reload(); return; }
    if (fresh.innerHTML === list.dataset.was) return;
    const had = new Set([...list.querySelectorAll("[data-row]")].map((row) => row.dataset.row));
    const focused = document.activeElement;
    const kept = focused && focused !== document.body ? focused.id || focused.getAttribute("href") : null;
    const [x, y] = [window.scrollX, window.scrollY];
    list.dataset.was = fresh.innerHTML;
    list.replaceChildren(...fresh.childNodes);
    let news = 0;
    for (const row of list.querySelectorAll("[data-row]")) {
      if (!had.has(row.dataset.row)) { row.classList.add("fresh"); news += 1; }
    }
    for (const part of ["data-counts", "data-heading"]) {
      const [from, to] = [page.querySelector(`[${part}]`), document.querySelector(`[${part}]`)];
      if (from && to && from.innerHTML !== to.innerHTML) to.replaceChildren(...from.childNodes);
    }
    if (kept && document.activeElement !== focused) {
      const again = document.getElementById(kept) ||
        [...document.links].find((link) => link.getAttribute("href") === kept);
      if (again) again.focus({ preventScroll: true });
    }
    window.scrollTo(x, y);
    if (news > 0) {
      say(`${news} new`, true);
      document.title = `(${news}) ${document.title.replace(/^\(\d+\) /, "")}`;
    } else {
      say("live", true);
    }
  };

  let waiting = false;
  let again = false;
  const refresh = async () => {
    if (waiting) { again = true; return; }
    waiting = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" } });
      if (answer.redirected) { location.reload(); return; }
      if (answer.ok) take(await answer.text());
    } catch { say("not connected; trying again", false); }
    waiting = false;
    if (again) { again = false; refresh(); }
  };

  list.dataset.was = list.innerHTML;
  const source = new EventSource(`/api/v1/stream?after=${encodeURIComponent(list.dataset.live)}`);
  source.addEventListener("open", () => say("live", true));
  source.addEventListener("error", () => say("not connected; trying again", false));
  source.addEventListener("alert", refresh);
  source.addEventListener("change", refresh);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) document.title = document.title.replace(/^\(\d+\) /, "");
  });
})();
