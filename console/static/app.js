// What every page has: buttons that copy, forms that ask first, the menu of narrow windows.
const announce = (text) => { document.getElementById("announce").textContent = text; };

const copy = async (text) => {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  const from = button.dataset.copyFrom;
  const text = from ? document.getElementById(from).textContent : button.dataset.copy;
  await copy(text);
  button.classList.add("done");
  announce("Copied");
  setTimeout(() => button.classList.remove("done"), 1200);
});

// A form that destroys something says what; the browser's own dialogue is one that every screen reader knows.
document.addEventListener("submit", (event) => {
  const ask = event.target.dataset?.confirm ?? event.submitter?.dataset?.confirm;
  if (ask && !confirm(ask)) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);

// The menu is open on wide windows, and closed to begin with on narrow ones.
const nav = document.getElementById("nav");
if (nav) {
  const wide = matchMedia("(min-width: 60rem)");
  const set = () => { nav.open = wide.matches; };
  set();
  wide.addEventListener("change", set);
}

// Tabs by the pattern of WAI-ARIA: arrows move, the chosen one shows its panel.
for (const list of document.querySelectorAll("[role=tablist]")) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const choose = (tab, focus) => {
    for (const t of tabs) {
      const on = t === tab;
      t.setAttribute("aria-selected", on);
      t.tabIndex = on ? 0 : -1;
      document.getElementById(t.getAttribute("aria-controls")).hidden = !on;
    }
    if (focus) tab.focus();
  };
  for (const t of tabs) t.addEventListener("click", () => choose(t));
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    choose(tabs[(to + tabs.length) % tabs.length], true);
  });
}

// The command that does what a form does, with what its fields have: {name} stands for a field.
const word = (s) => (/^[\w/.:+=@,%-]+$/.test(s) ? s : `'${s.replaceAll("'", "'\\''")}'`);
for (const code of document.querySelectorAll("form [data-cli]")) {
  const form = code.closest("form"), draw = () => {
    code.textContent = code.dataset.cli.replace(/\{(\w+)\}/g, (_, name) => {
      const field = form.elements[name], value = (field?.value ?? "").trim();
      if (!value) return name.toUpperCase();
      return field.tagName === "TEXTAREA" ? value.split(/\s+/).map(word).join(" ") : word(value);
    });
  };
  form.addEventListener("input", draw);
  draw();
}
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy-code]");
  if (!button) return;
  await copy(button.parentElement.querySelector("code").textContent);
  button.classList.add("done");
  announce("Copied");
  setTimeout(() => button.classList.remove("done"), 1200);
});

// On a phone a row of a table is a card, whose cells say what they are.
for (const table of document.querySelectorAll("table.cards")) {
  const heads = [...table.tHead.rows[0].cells].map((c) => (c.querySelector(".unseen") ? "" : c.textContent));
  for (const row of table.tBodies[0].rows) [...row.cells].forEach((c, i) => { if (c.tagName === "TD" && !c.dataset.label && heads[i]) c.dataset.label = heads[i]; });
}
