// What scripts of pages share.
export const $ = (id) => document.getElementById(id);
export const csrf = document.querySelector("meta[name=csrf]").content;

// make makes an element with a text, which is never taken for HTML.
export const make = (name, text, className) => {
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  return e;
};

export const milliseconds = (n) => (n < 10 ? `${n.toFixed(2)} ms` : `${Math.round(n).toLocaleString("en")} ms`);
export const size = (n) => (n < 10000 ? `${n.toLocaleString("en")} B` : n < 1e7 ? `${(n / 1e3).toFixed(1)} kB` : `${(n / 1e6).toFixed(1)} MB`);
export const shell = (s) => (/^[\w/.:+=@,%-]+$/.test(s) ? s : `'${s.replaceAll("'", "'\\''")}'`);

// problem is an error card.
export const problem = (card, ...more) => {
  const box = make("section", undefined, "problem");
  box.append(make("h2", card.What), make("p", card.Why));
  if (card.Try) { const pre = make("pre"); pre.append(make("code", card.Try)); pre.tabIndex = 0; box.append(pre); }
  box.append(...more);
  return box;
};

// link leads somewhere in the console.
export const link = (text, to) => { const a = make("a", text); a.href = to; return a; };

// bar is a step's place in time, from 0 to 1000.
export const bar = (from, width) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), rect = document.createElementNS(svg.namespaceURI, "rect");
  for (const [name, value] of Object.entries({ viewBox: "0 0 1000 16", preserveAspectRatio: "none", "aria-hidden": "true" })) svg.setAttribute(name, value);
  for (const [name, value] of Object.entries({ x: from, y: 3, height: 10, width: Math.max(2, width) })) rect.setAttribute(name, String(value));
  svg.append(rect);
  return svg;
};
