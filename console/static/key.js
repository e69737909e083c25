// The cache key of a URL, as one types it.
import { $, make } from "./page.js";

const form = $("key-form");
if (form) {
  const field = $("ask"), out = $("key-parts");
  let waiting, latest = 0;
  const explain = async () => {
    const mine = ++latest, ask = field.value.trim();
    if (!ask) { out.replaceChildren(); return; }
    const response = await fetch(`${form.dataset.key}?${new URLSearchParams({ ask })}`);
    const k = await response.json();
    if (mine !== latest) return;
    if (!response.ok) { out.replaceChildren(make("p", `${k.What} ${k.Why}`, "bad")); return; }
    const p = make("p", "Cache key ", "key"), table = make("table"), body = make("tbody"), box = make("div", undefined, "scroll");
    p.append(make("code", k.Text || "none"));
    if (k.Ignored.length) p.append("; ignored: ", make("s", k.Ignored.join(", ")));
    if (k.Lookup) p.append(" ", make("span", `— ${k.Lookup.value}: ${k.Lookup.why}`, "quiet"));
    for (const part of k.Parts) {
      const row = make("tr"), name = make("th");
      name.scope = "row";
      name.append(make("code", part.name));
      row.append(name, make("td", part.value), make("td", part.why));
      body.append(row);
    }
    table.append(make("caption", "What the key is made of", "unseen"), body);
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "What the key is made of");
    box.append(table);
    out.replaceChildren(p, box);
  };
  field.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(explain, 150); });
  form.addEventListener("submit", (e) => { e.preventDefault(); explain(); });
}
