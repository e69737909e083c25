// The Studio: uploads, asks the edge as a viewer, and shows what came and which way it took.
// Text from files and answers goes into textContent alone.
const $ = (id) => document.getElementById(id);
const csrf = document.querySelector("meta[name=csrf]").content;
const make = (name, text, className) => {
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  return e;
};

// Uploading, with its progress.
const drop = $("drop");
if (drop) {
  const send = (file) => {
    const progress = $("progress"), says = $("drop-says");
    const to = new URLSearchParams({ bucket: drop.dataset.bucket, key: file.name });
    const request = new XMLHttpRequest();
    request.open("POST", `/studio/upload?${to}`);
    request.setRequestHeader("X-Csrf-Token", csrf);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.upload.onprogress = (e) => { progress.value = e.loaded / e.total; };
    request.onload = () => {
      const answer = JSON.parse(request.responseText);
      if (request.status < 400) {
        location.assign(`/?${new URLSearchParams({ d: drop.dataset.d, key: answer.key })}`);
        return;
      }
      progress.hidden = true;
      says.textContent = `${answer.What} ${answer.Why}`;
    };
    request.onerror = () => { progress.hidden = true; says.textContent = "The upload was interrupted."; };
    progress.hidden = false;
    says.textContent = `Storing ${file.name}…`;
    request.send(file);
  };
  $("file").addEventListener("change", (e) => { if (e.target.files[0]) send(e.target.files[0]); });
  drop.addEventListener("submit", (e) => e.preventDefault());
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (e) => { e.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (e) => { e.preventDefault(); if (e.dataTransfer.files[0]) send(e.dataTransfer.files[0]); });
  // The button is a label; a keyboard reaches the field that it stands for.
  $("file").addEventListener("focus", () => drop.classList.add("over"));
  $("file").addEventListener("blur", () => drop.classList.remove("over"));
}

const studio = $("studio");
if (studio) {
  const { d, bucket, key, url, bytes, ca, arn } = studio.dataset;
  const original = $("original");
  let shown = null; // the object URL of the picture on the right

  const milliseconds = (n) => (n < 10 ? `${n.toFixed(2)} ms` : `${Math.round(n).toLocaleString("en")} ms`);
  const size = (n) => (n < 10000 ? `${n.toLocaleString("en")} B` : n < 1e7 ? `${(n / 1e3).toFixed(1)} kB` : `${(n / 1e6).toFixed(1)} MB`);
  const query = () => {
    const out = new URLSearchParams();
    for (const [name, value] of new FormData($("wishes"))) if (value !== "") out.set(name, value);
    return out.toString();
  };
  const at = (q) => (q ? `${url}?${q}` : url);
  const withWidth = (w) => { const q = new URLSearchParams(query()); q.set("width", w); q.delete("height"); return at(q.toString()); };
  const html = (s) => s.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
  const shell = (s) => `'${s.replaceAll("'", "'\\''")}'`;

  const snippets = () => {
    const q = query(), full = at(q);
    $("url").textContent = full;
    const widths = [400, 800, 1600];
    const set = (format) => widths.map((w) => `${html(withWidth(w) + (format ? `&format=${format}` : ""))} ${w}w`).join(",\n             ");
    $("snippet-srcset").textContent = `<img src="${html(withWidth(800))}"\n     srcset="${set("")}"\n     sizes="(min-width: 60rem) 50vw, 100vw" alt="">`;
    const plain = new URLSearchParams(q); plain.delete("format");
    $("snippet-picture").textContent = `<picture>\n  <source type="image/avif" srcset="${set("avif")}">\n  <source type="image/webp" srcset="${set("webp")}">\n  <img src="${html(withWidth(800))}" alt="">\n</picture>`;
    $("snippet-Markdown").textContent = `![](${full})`;
    const { hostname, host } = new URL(url);
    const connect = hostname === "localhost" ? "" : ` --connect-to ${host}:127.0.0.1:${new URL(url).port || 443}`;
    $("snippet-curl").textContent = `curl${ca ? ` --cacert ${shell(ca)}` : ""}${connect} -D - -o picture ${shell(full)}`;
    $("snippet-aws-cli").textContent = `aws s3api get-object --bucket ${arn} --key ${shell(key)} picture`;
  };

  const asked = (command, says) => {
    const li = make("li");
    const p = make("p");
    p.append(make("span", says, "quiet"));
    li.append(p);
    if (command) {
      const box = make("div", undefined, "command"), pre = make("pre");
      pre.tabIndex = 0;
      pre.append(make("code", command));
      box.append(pre);
      li.append(box);
    }
    $("asked").prepend(li);
    while ($("asked").children.length > 12) $("asked").lastChild.remove();
  };

  const problem = (card) => {
    const box = make("section", undefined, "problem");
    box.append(make("h2", card.What), make("p", card.Why));
    if (card.Try) { const pre = make("pre"); pre.append(make("code", card.Try)); box.append(pre); }
    return box;
  };

  // Which hop a step of the trace belongs to, by its name; the outermost step of a hop gives its time.
  const hopOf = (name) => {
    if (name === "function" || name === "WriteGetObjectResponse") return "function";
    if (name.startsWith("Object Lambda ")) return "olap";
    if (name.startsWith("S3 ")) return "bucket";
    if (name === "sign" || name === "origin-request function") return "signer";
    return "";
  };
  const hop = (name) => document.querySelector(`[data-hop=${name}]`);
  const light = (name, took) => {
    hop(name).classList.add("lit");
    if (took !== undefined) hop(name).querySelector(".took").textContent = took;
  };

  const journey = async (view, hit) => {
    for (const e of document.querySelectorAll(".hop")) { e.classList.remove("lit", "failed"); e.querySelector(".took").textContent = ""; }
    $("steps").hidden = $("log").hidden = true;
    light("viewer", milliseconds(view.total));
    light("edge", hit ? `hit, ${milliseconds(view.firstByte)}` : "miss");
    const result = view.headers["X-Cache"] || "";
    if (hit) {
      $("journey-says").textContent = `${result}: the edge had it, ${view.headers.Age || 0} s old. Nothing behind it was asked.`;
      return;
    }
    for (const name of ["signer", "olap", "function", "bucket"]) light(name);
    const id = view.headers["X-Amz-Cf-Id"];
    $("journey-says").textContent = `${result}: it came all the way from the bucket in ${milliseconds(view.total)}.`;
    const response = await fetch(`/studio/hops?${new URLSearchParams({ id })}`);
    if (!response.ok) {
      const card = await response.json();
      $("journey-says").textContent += ` Its steps cannot be shown: ${card.Why}`;
      return;
    }
    const { trace } = await response.json();
    if (trace) {
      waterfall(trace);
      const ran = trace.spans.find((s) => s.attributes?.["faas.invocation_id"]);
      if (ran) await log(ran.attributes["faas.invoked_name"], ran.attributes["faas.invocation_id"]);
    }
    asked(`glassine trace --id ${id}`, "how it was answered");
  };

  // The lines of the function's log that are about this request, and no others.
  const log = async (name, id) => {
    const response = await fetch(`/studio/log?${new URLSearchParams({ function: name, id })}`);
    if (!response.ok) return; // who may not read the log sees none
    const { group, lines } = await response.json();
    $("log-lines").textContent = lines.join("\n");
    $("log-link").href = `/logs?${new URLSearchParams({ group, region: name.split(":")[3], since: "1h" })}`;
    $("log").hidden = lines.length === 0;
  };

  const waterfall = (trace) => {
    const rows = $("waterfall");
    rows.replaceChildren();
    const end = Math.max(1, ...trace.spans.map((s) => s.startMicros + Math.max(0, s.durationMicros)));
    const depth = {}, taken = {};
    for (const s of trace.spans) {
      depth[s.spanId] = s.parentSpanId in depth ? depth[s.parentSpanId] + 1 : 0;
      const name = hopOf(s.name);
      if (name && !(name in taken) && s.durationMicros >= 0) { taken[name] = s; light(name, milliseconds(s.durationMicros / 1e3)); }
      if (name && s.error) hop(name).classList.add("failed");
      const row = make("tr", undefined, s.error ? "failed" : "");
      const step = make("td", `${"\u00a0\u00a0".repeat(depth[s.spanId])}${s.name}`);
      const bar = make("td");
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), rect = document.createElementNS(svg.namespaceURI, "rect");
      svg.setAttribute("viewBox", "0 0 1000 16");
      svg.setAttribute("preserveAspectRatio", "none");
      svg.setAttribute("aria-hidden", "true");
      rect.setAttribute("x", String((s.startMicros / end) * 1000));
      rect.setAttribute("y", "3");
      rect.setAttribute("height", "10");
      rect.setAttribute("width", String(Math.max(2, (Math.max(0, s.durationMicros) / end) * 1000)));
      svg.append(rect);
      bar.append(svg);
      row.append(step, make("td", s.durationMicros < 0 ? "did not end" : milliseconds(s.durationMicros / 1e3), "num"), bar);
      rows.append(row);
    }
    // The function's own time is in what was decided, not among the steps: it began before it wrote.
    const answered = trace.facts.map((f) => /answered after ([\d.]+)(ms|s|µs)/.exec(f.why || "")).find(Boolean);
    if (answered) light("function", milliseconds(Number(answered[1]) * { ms: 1, s: 1000, "µs": 0.001 }[answered[2]]));
    $("steps").hidden = trace.spans.length === 0;
  };

  const verdict = (view, blob, image) => {
    const out = $("verdict"), tag = (text, good) => out.append(make("span", text, `tag ${good}`));
    out.replaceChildren();
    $("nothing").replaceChildren();
    if (view.fields < 0) return;
    tag(view.fields === 0 ? "0 fields" : `${view.fields} fields`, view.fields === 0 ? "good" : "warn");
    const less = view.bytes - Number(bytes);
    tag(`${less > 0 ? "+" : "−"}${Math.abs(less).toLocaleString("en")} bytes`, "");
    if (!image || !original?.complete) return;
    const same = samePixels(original, image);
    if (same === true) tag("the same pixels", "good");
    if (same === false) tag("pixels made anew", "");
    const nothing = $("nothing");
    if (view.fields === 0) nothing.append(make("p", "Nothing.", "big-number"), make("p", "No place, no name, no time, no device. That is all that is left of the metadata.", "quiet"));
  };

  // samePixels decodes both pictures and compares; undefined when there is nothing to compare.
  const samePixels = (a, b) => {
    if (a.naturalWidth !== b.naturalWidth || a.naturalHeight !== b.naturalHeight) return undefined;
    const read = (image) => {
      const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight), context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      return new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    };
    if (a.naturalWidth * a.naturalHeight > 25e6) return undefined;
    const x = read(a), y = read(b);
    return x.every((pixel, i) => pixel === y[i]);
  };

  const show = async (view, body) => {
    const box = $("world"), kind = (view.type || "").split(";")[0];
    $("world-size").textContent = `${view.size ? `${view.size} · ` : ""}${size(view.bytes)}`;
    if (shown) URL.revokeObjectURL(shown);
    shown = null;
    if (/^image\/(jpeg|png|webp|gif|avif|svg\+xml)$/.test(kind)) {
      const blob = new Blob([body], { type: kind }), image = new Image();
      shown = URL.createObjectURL(blob);
      image.alt = "The picture as viewers get it";
      image.src = shown;
      try { await image.decode(); } catch { /* a picture that this browser does not know is shown as its broken sign */ }
      box.replaceChildren(image);
      if (original && !original.complete) await original.decode().catch(() => {});
      $("compare-box").hidden = !original;
      if (original) $("compare").pictures = [original, image];
      verdict(view, blob, image);
      return;
    }
    $("compare-box").hidden = true;
    const text = new TextDecoder().decode(body.slice(0, 65536)), pre = make("pre");
    pre.tabIndex = 0;
    try { pre.textContent = JSON.stringify(JSON.parse(text), null, 2); } catch { pre.textContent = text; }
    box.replaceChildren(pre);
    verdict(view);
  };

  let latest = 0;
  const ask = async () => {
    const mine = ++latest, q = query();
    $("world").classList.add("busy");
    $("view-problem").replaceChildren();
    const to = new URLSearchParams({ d, key, query: q, accept: "image/avif,image/webp,image/*,*/*;q=0.8" });
    const response = await fetch(`/studio/view?${to}`);
    if (mine !== latest) return;
    $("world").classList.remove("busy");
    if (!response.ok) { $("view-problem").replaceChildren(problem(await response.json())); return; }
    const view = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(response.headers.get("X-View")), (c) => c.charCodeAt(0))));
    const body = await response.arrayBuffer();
    const result = view.headers["X-Cache"] || "", hit = /^(Hit|RefreshHit)/.test(result);
    $("result").className = `result ${hit ? "hit" : "miss"}`;
    $("result").textContent = view.status >= 400 ? `${view.status}` : hit ? `HIT${view.headers.Age ? `, age ${view.headers.Age} s` : ""}` : "MISS";
    $("headers").replaceChildren(...Object.entries(view.headers).sort().map(([name, value]) => {
      const row = make("tr"), th = make("th", name);
      th.scope = "row";
      row.append(th, make("td", value));
      return row;
    }));
    if (view.status >= 400) $("view-problem").replaceChildren(problem({ What: `The edge answered ${view.status}.`, Why: "What the function or the edge said is shown above; the steps below say where it came from.", Try: `glassine trace ${shell(view.url)}` }));
    await show(view, body);
    asked(`curl -sS${ca ? ` --cacert ${shell(ca)}` : ""} -D - -o picture ${shell(view.url)}`, `${view.status}, ${result || "no X-Cache"}, ${milliseconds(view.total)}`);
    await journey(view, hit);
  };

  snippets();
  let waiting;
  $("wishes").addEventListener("input", () => { snippets(); clearTimeout(waiting); waiting = setTimeout(ask, 500); });
  $("wishes").addEventListener("submit", (e) => e.preventDefault());
  $("again").addEventListener("click", ask);
  $("purge").addEventListener("click", async () => {
    const response = await fetch("/studio/purge", { method: "POST", headers: { "X-Csrf-Token": csrf }, body: new URLSearchParams({ d, key }) });
    const answer = await response.json();
    if (!response.ok) { $("view-problem").replaceChildren(problem(answer)); return; }
    asked(answer.command, `purged ${answer.path}: invalidation ${answer.id}, ${answer.status}`);
    await ask();
  });
  $("denied").addEventListener("click", async () => {
    const response = await fetch(`/studio/denied?${new URLSearchParams({ bucket, key })}`);
    const answer = await response.json(), box = $("denied-says");
    box.replaceChildren(make("p", `${answer.status || answer.What}: ${answer.url || ""}`));
    if (answer.text) { const pre = make("pre", undefined, "doc"); pre.tabIndex = 0; pre.append(make("code", answer.text)); box.append(pre); }
  });
  ask();
}
