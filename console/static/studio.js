// The Studio: uploads, asks the edge as a viewer, and shows what came and which way it took, while it takes it.
// Text from files and answers goes into textContent alone.
import { $, csrf, make, milliseconds, problem, shell, size } from "./page.js";
import { journey } from "./journey.js";

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
}

const studio = $("studio");
if (studio) {
  const { d, bucket, key, url, bytes, ca, arn } = studio.dataset;
  const accept = "image/avif,image/webp,image/*,*/*;q=0.8";
  const original = $("original"), way = journey(studio.dataset);
  let shown = null; // the object URL of the picture on the right

  const query = () => {
    const out = new URLSearchParams();
    for (const [name, value] of new FormData($("wishes"))) if (value !== "") out.set(name, value);
    const more = $("w-more").value.trim().replace(/^[?&]+/, "");
    return [out.toString(), more].filter(Boolean).join("&");
  };
  const at = (q) => (q ? `${url}?${q}` : url);
  const withWidth = (w) => { const q = new URLSearchParams(query()); q.set("width", w); q.delete("height"); return at(q.toString()); };
  const html = (s) => s.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

  const snippets = () => {
    const full = at(query());
    $("url").textContent = full;
    const widths = [400, 800, 1600];
    const set = (format) => widths.map((w) => `${html(withWidth(w) + (format ? `&format=${format}` : ""))} ${w}w`).join(",\n             ");
    $("snippet-srcset").textContent = `<img src="${html(withWidth(800))}"\n     srcset="${set("")}"\n     sizes="(min-width: 60rem) 50vw, 100vw" alt="">`;
    $("snippet-picture").textContent = `<picture>\n  <source type="image/avif" srcset="${set("avif")}">\n  <source type="image/webp" srcset="${set("webp")}">\n  <img src="${html(withWidth(800))}" alt="">\n</picture>`;
    $("snippet-Markdown").textContent = `![](${full})`;
    const { hostname, host } = new URL(url);
    const connect = hostname === "localhost" ? "" : ` --connect-to ${host}:127.0.0.1:${new URL(url).port || 443}`;
    $("snippet-curl").textContent = `curl${ca ? ` --cacert ${shell(ca)}` : ""}${connect} -D - -o picture ${shell(full)}`;
    $("snippet-aws-cli").textContent = `aws s3api get-object --bucket ${arn} --key ${shell(key)} picture`;
  };

  const asked = (command, says) => {
    const li = make("li"), p = make("p");
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

  const verdict = (view, image) => {
    const out = $("verdict"), tag = (text, good, to = out) => to.append(make("span", text, `tag ${good}`));
    out.replaceChildren();
    $("nothing").replaceChildren();
    $("pixels").replaceChildren();
    if (view.fields < 0) return;
    tag(view.fields === 0 ? "0 fields" : `${view.fields} fields`, view.fields === 0 ? "good" : "warn");
    const less = view.bytes - Number(bytes);
    tag(`${less > 0 ? "+" : "−"}${Math.abs(less).toLocaleString("en")} bytes`, "");
    if (!image || !original?.complete) return;
    const same = samePixels(original, image);
    if (same === true) { tag("the same pixels", "good"); tag("every pixel is equal", "good", $("pixels")); }
    if (same === false) tag("pixels made anew", "");
    if (view.fields === 0) $("nothing").append(make("p", "Nothing.", "big-number"), make("p", "No place, no name, no time, no device. That is all that is left of the metadata.", "quiet"));
  };

  // samePixels decodes both pictures and compares; undefined when there is nothing to compare.
  const samePixels = (a, b) => {
    if (a.naturalWidth !== b.naturalWidth || a.naturalHeight !== b.naturalHeight || a.naturalWidth * a.naturalHeight > 25e6) return undefined;
    const read = (image) => {
      const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight), context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      return new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    };
    const x = read(a), y = read(b);
    return x.every((pixel, i) => pixel === y[i]);
  };

  const show = async (view, body) => {
    const box = $("world"), kind = (view.type || "").split(";")[0];
    $("world-size").textContent = `${view.size ? `${view.size} · ` : ""}${size(view.bytes)}`;
    if (shown) URL.revokeObjectURL(shown);
    shown = null;
    if (view.status < 400 && /^image\/(jpeg|png|webp|gif|avif|svg\+xml)$/.test(kind)) {
      const image = new Image();
      shown = URL.createObjectURL(new Blob([body], { type: kind }));
      image.alt = "The picture as viewers get it";
      image.src = shown;
      try { await image.decode(); } catch { /* a picture that this browser does not know is shown as its broken sign */ }
      box.replaceChildren(image);
      if (original && !original.complete) await original.decode().catch(() => {});
      $("compare-box").hidden = !original;
      if (original) $("compare").pictures = [original, image];
      verdict(view, image);
      return;
    }
    $("compare-box").hidden = true;
    const text = new TextDecoder().decode(body.slice(0, 65536)), pre = make("pre");
    pre.tabIndex = 0;
    try { pre.textContent = JSON.stringify(JSON.parse(text), null, 2); } catch { pre.textContent = text; }
    box.replaceChildren(pre);
    verdict(view);
  };

  // What the URL's cache key is made of, and what of it is ignored; asked as one types, and nothing is fetched for it.
  const explainKey = async () => {
    const q = query(), response = await fetch(`/studio/key?${new URLSearchParams({ d, key, query: q, accept })}`);
    if (!response.ok || q !== query()) { if (!response.ok) $("key-says").replaceChildren(); return; }
    const k = await response.json(), out = $("key-says");
    out.replaceChildren(make("span", "Cache key "), make("code", k.Text || "none"));
    if (k.Ignored.length) out.append(make("span", "; ignored: "), make("s", k.Ignored.join(", ")));
    if (k.Lookup) out.append(make("span", ` — ${k.Lookup.value}: ${k.Lookup.why}`, "quiet"));
    way.key = k;
  };

  let latest = 0;
  const ask = async () => {
    const mine = ++latest, q = query();
    $("world").classList.add("busy");
    $("view-problem").replaceChildren();
    const followed = way.follow({ key, query: q }); // before the request, so that nothing is missed
    await followed.ready;
    const response = await fetch(`/studio/view?${new URLSearchParams({ d, key, query: q, accept })}`);
    if (mine !== latest) { followed.stop(); return; }
    $("world").classList.remove("busy");
    if (!response.ok) { followed.stop(); $("view-problem").replaceChildren(problem(await response.json())); return; }
    const view = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(response.headers.get("X-View")), (c) => c.charCodeAt(0))));
    const body = await response.arrayBuffer();
    const result = view.headers["X-Cache"] || "", hit = /^(Hit|RefreshHit)/.test(result);
    $("result").className = `result ${view.status >= 400 ? "failed" : hit ? "hit" : "miss"}`;
    $("result").textContent = view.status >= 400 ? `${view.status}` : hit ? `HIT${view.headers.Age ? `, age ${view.headers.Age} s` : ""}` : "MISS";
    $("headers").replaceChildren(...Object.entries(view.headers).sort().map(([name, value]) => {
      const row = make("tr"), th = make("th", name);
      th.scope = "row";
      row.append(th, make("td", value));
      return row;
    }));
    await show(view, body);
    asked(`curl -sS${ca ? ` --cacert ${shell(ca)}` : ""} -D - -o picture ${shell(view.url)}`, `${view.status}, ${result || "no X-Cache"}, ${milliseconds(view.total)}`);
    const trace = await followed.end(view, hit);
    if (view.status >= 400) $("view-problem").replaceChildren(way.failed(view, trace));
    if (trace) asked(`glassine trace --id ${trace.requestId}`, "how it was answered");
    explainKey();
  };

  snippets();
  let waiting, typing;
  $("wishes").addEventListener("input", () => {
    snippets();
    clearTimeout(waiting);
    clearTimeout(typing);
    typing = setTimeout(explainKey, 150);
    waiting = setTimeout(ask, 700);
  });
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
