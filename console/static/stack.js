// A stack's events as they come; when it is at rest, the page is loaded again.
import { $, make } from "./page.js";

const stack = $("stack");
if (stack?.dataset.live) {
  const source = new EventSource(stack.dataset.live), says = $("stack-says");
  source.addEventListener("change", (e) => {
    const { time, resource, status, reason } = JSON.parse(e.data), row = make("tr"), when = make("td"), th = make("th", resource), state = make("td"), why = make("td", reason);
    when.append(make("time", time));
    th.scope = "row";
    for (const [td, label] of [[when, "When"], [state, "State"], [why, "Reason"]]) td.dataset.label = label;
    state.append(make("span", status, `tag ${/FAILED|ROLLBACK/.test(status) ? "bad" : status.includes("PROGRESS") ? "warn" : "good"}`));
    row.append(when, th, state, why);
    $("events").prepend(row);
  });
  source.addEventListener("rest", () => { source.close(); location.reload(); });
  source.onerror = () => { says.textContent = source.readyState === EventSource.CLOSED ? "Ended: load the page again." : "Connecting again…"; };
}
