// Requests as they come: a line for each, which changes until its request is over.
import { $, link, make } from "./page.js";

const button = $("live"), body = $("latest");
if (button && body) {
  const says = $("live-says"), most = 300;
  let source = null;
  const cell = (label, className) => { const td = make("td", undefined, className); td.dataset.label = label; return td; };
  const line = (r) => {
    const row = make("tr"), when = cell("When"), time = make("time", r.Time), what = make("th"), status = cell("Status"), result = cell("Result"), took = cell("Took, s", "num"), of = cell("Distribution");
    row.dataset.id = r.ID;
    time.dateTime = r.Began;
    when.append(time);
    what.scope = "row";
    what.append(link(`${r.Method} ${r.Path}`, `/requests?${new URLSearchParams({ id: r.ID })}`));
    if (r.Status) status.append(make("span", r.Status, r.Status >= "400" ? "bad" : ""));
    result.append(make("span", r.Result || "under way", `tag ${r.Class}`));
    if (r.Detail) result.append(" ", make("span", r.Detail, "quiet"));
    took.textContent = r.Took;
    if (r.Distribution) of.append(link(r.Distribution, `/distributions/${encodeURIComponent(r.Distribution)}`));
    row.append(when, what, status, result, took, of);
    return row;
  };
  const stop = (text) => {
    source?.close();
    source = null;
    says.textContent = text;
    button.textContent = "Follow live";
    button.setAttribute("aria-pressed", "false");
  };
  button.addEventListener("click", () => {
    if (source) { stop(""); return; }
    source = new EventSource(body.dataset.live);
    says.textContent = "Connecting…";
    button.textContent = "Stop";
    button.setAttribute("aria-pressed", "true");
    source.addEventListener("ready", () => { says.textContent = "Following"; });
    source.addEventListener("request", (e) => {
      const r = JSON.parse(e.data), old = body.querySelector(`[data-id="${CSS.escape(r.ID)}"]`), row = line(r);
      if (old) old.replaceWith(row);
      else body.prepend(row);
      $("none").hidden = true;
      while (body.children.length > most) body.lastChild.remove();
    });
    source.addEventListener("refused", (e) => { const card = JSON.parse(e.data); stop(`${card.What} ${card.Why}`); });
    source.onerror = () => { if (source?.readyState === EventSource.CLOSED) stop("Ended: load the page again"); else says.textContent = "Connecting again…"; };
  });
}
