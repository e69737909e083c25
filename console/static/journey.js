// The way of one request, lit while it is taken: steps come as server-sent events from before the request is made.
import { $, bar, link, make, milliseconds, problem, shell, size } from "./page.js";

const hops = ["viewer", "edge", "signer", "olap", "function", "bucket"];

// hopOf is the hop that a step belongs to, by its name; the outermost step of a hop gives its time.
const hopOf = (name) => {
  if (/^(function$|lambda\.|transform\.|s3\.write|WriteGetObjectResponse)/.test(name)) return "function";
  if (/^(Object Lambda |olap\.)/.test(name)) return "olap";
  if (/^(S3 |s3\.)/.test(name)) return "bucket";
  if (/^(sign$|sigv4\.)|origin-request/.test(name)) return "signer";
  return "";
};
const fact = (trace, name) => trace.facts.find((f) => f.name === name);

export const journey = (names) => {
  const box = (name) => document.querySelector(`[data-hop=${name}]`);
  const says = {}; // what is told of each hop
  let key = null; // what the cache key is made of
  let followed = 0; // how many requests were

  const tell = (name) => { $("hop-says").textContent = says[name] || "Nothing was asked of it this time."; };
  for (const name of hops) for (const event of ["focus", "pointerenter", "click"]) box(name).addEventListener(event, () => tell(name));

  const light = (name, took, state = "lit") => {
    const e = box(name);
    e.classList.add("lit");
    e.classList.toggle("running", state === "running");
    e.classList.toggle("failed", state === "failed");
    if (took !== undefined) e.querySelector(".took").textContent = took;
  };
  const clear = () => {
    for (const name of hops) { box(name).classList.remove("lit", "failed", "running"); box(name).querySelector(".took").textContent = ""; delete says[name]; }
    $("drawer").hidden = true;
    $("journey-says").textContent = "Under way…";
  };

  const keySays = () => (key ? `Cache key: ${key.Text || "none"}.${key.Ignored.length ? ` Ignored, since the cache policy leaves it out: ${key.Ignored.join(", ")}.` : ""}` : "");

  // draw lights what a trace has so far.
  const draw = (trace) => {
    light("edge", undefined, trace.ended ? "lit" : "running");
    light("viewer", undefined, trace.ended ? "lit" : "running");
    const taken = {}, hopAt = {};
    for (const s of trace.spans) {
      // What is below the signer is the signer's, whatever it is called: it is a function as well.
      const name = hopAt[s.parentSpanId] === "signer" ? "signer" : hopOf(s.name);
      hopAt[s.spanId] = name;
      if (!name) continue;
      const body = s.attributes?.["http.response.body.size"];
      const state = s.error ? "failed" : s.durationMicros < 0 && !trace.ended ? "running" : "lit";
      if (!(name in taken)) {
        taken[name] = s;
        light(name, s.durationMicros < 0 ? "…" : milliseconds(s.durationMicros / 1e3), state);
        says[name] = `${s.name}: ${s.durationMicros < 0 ? "under way" : milliseconds(s.durationMicros / 1e3)}${s.error ? `, failed: ${s.error}` : ""}.`;
        if (s.attributes?.["faas.invocation_id"]) says[name] += ` Version ${s.attributes["faas.version"]}, invocation ${s.attributes["faas.invocation_id"]}.`;
      }
      if (body && body !== "0") {
        light(name, `${milliseconds(Math.max(0, taken[name].durationMicros) / 1e3)} · ${size(Number(body))}`, state);
        says[name] += ` ${size(Number(body))} came from it.`;
      }
    }
    // The function's own time is in what was decided, not among the steps: it began before it wrote.
    const answered = trace.facts.map((f) => /answered after ([\d.]+)(ms|s|µs)/.exec(f.why || "")).find(Boolean);
    if (answered) light("function", milliseconds(Number(answered[1]) * { ms: 1, s: 1000, "µs": 0.001 }[answered[2]]), box("function").classList.contains("failed") ? "failed" : "lit");
  };

  const waterfall = (trace) => {
    const end = Math.max(1, ...trace.spans.map((s) => s.startMicros + Math.max(0, s.durationMicros))), depth = {};
    $("waterfall").replaceChildren(...trace.spans.map((s) => {
      depth[s.spanId] = s.parentSpanId in depth ? depth[s.parentSpanId] + 1 : 0;
      const row = make("tr", undefined, s.error ? "failed" : ""), step = make("td", s.name, `d${Math.min(7, depth[s.spanId])}`), place = make("td");
      if (s.error) step.append(make("br"), make("span", s.error, "bad"));
      place.append(bar((s.startMicros / end) * 1000, (Math.max(0, s.durationMicros) / end) * 1000));
      row.append(step, make("td", s.durationMicros < 0 ? "did not end" : milliseconds(s.durationMicros / 1e3), "num"), place);
      return row;
    }));
  };

  // drawer shows what the functions of this request saw and wrote, and of no other.
  const drawer = async (id) => {
    const response = await fetch(`/studio/drawer?${new URLSearchParams({ id })}`), out = $("functions");
    if (!response.ok) { out.replaceChildren(); return; }
    const { functions, refused } = await response.json();
    out.replaceChildren(...functions.map((f) => {
      const section = make("section", undefined, "stack seen"), head = make("h3", f.name), lines = make("pre", undefined, "doc log"), event = make("pre", undefined, "doc");
      head.append(make("span", ` invocation ${f.requestId}`, "quiet"));
      lines.tabIndex = event.tabIndex = 0;
      lines.setAttribute("aria-label", `Log lines of ${f.name}`);
      event.setAttribute("aria-label", `Event of ${f.name}`);
      section.append(head);
      if (f.lines.length) {
        lines.append(make("code", f.lines.join("\n")));
        const all = make("p");
        all.append(link("All of its log", `/logs?${new URLSearchParams({ group: f.group, region: f.region, since: "1h" })}`));
        section.append(make("p", "What it logged about this request", "label"), lines, all);
      } else section.append(make("p", f.noLines || "It logged nothing.", "quiet"));
      if (f.event) {
        event.append(make("code", f.event));
        section.append(make("p", `The event that it saw, ${size(f.bytes)}; credentials are removed`, "label"), event);
      } else if (f.note) section.append(make("p", f.note, "quiet"));
      return section;
    }));
    if (refused) out.prepend(make("p", `The events are not shown: ${refused}`, "quiet"));
  };

  const way = {
    set key(k) { key = k; says.edge = [says.edge, keySays()].filter(Boolean).join(" "); },

    // follow begins to listen. ready settles when nothing will be missed, or when there is nothing to listen to; end settles with
    // the request's trace, or null when it has none.
    follow(of) {
      clear();
      const mine = ++followed;
      let trace = null, heard, readied;
      const ended = new Promise((resolve) => { heard = resolve; }), ready = new Promise((resolve) => { readied = resolve; });
      const source = new EventSource(`/studio/live?${new URLSearchParams(of)}`);
      const stop = () => { source.close(); readied(); heard(); };
      source.addEventListener("ready", readied);
      source.addEventListener("trace", (e) => {
        trace = JSON.parse(e.data);
        draw(trace);
        if (trace.ended) stop();
      });
      source.addEventListener("refused", stop);
      source.onerror = () => { if (source.readyState === EventSource.CLOSED || trace) stop(); };
      setTimeout(readied, 1500);
      const end = async (view, hit) => {
        await Promise.race([ended, new Promise((resolve) => { setTimeout(resolve, 700); })]);
        source.close();
        const id = view.headers["X-Amz-Cf-Id"];
        if (trace?.requestId !== id || !trace?.ended) {
          const response = await fetch(`/studio/hops?${new URLSearchParams({ id })}`);
          const answer = await response.json();
          trace = answer.trace ?? null;
          if (!response.ok) $("journey-says").textContent = `Its steps cannot be shown: ${answer.Why}`;
          else if (trace) draw(trace);
        }
        finish(view, hit, trace);
        settle(mine, view, hit, trace);
        return trace;
      };
      return { ready, end, stop };
    },

    // failed is the card of a request that failed: where, and where that is changed.
    failed(view, trace) {
      const to = make("ul", undefined, "row"), add = (a) => { const li = make("li"); li.append(a); to.append(li); };
      if (trace) add(link("All its steps", `/requests?${new URLSearchParams({ id: trace.requestId })}`));
      if (names.function.includes(":function:")) add(link("The function", `/functions/${encodeURIComponent(names.function.split(":function:")[1].split(":")[0])}`));
      add(link("The Object Lambda access point", `/object-lambda/${encodeURIComponent(names.lambda)}`));
      add(link("The object", `/buckets/${encodeURIComponent(names.bucket)}/object?${new URLSearchParams({ key: names.key })}`));
      const at = hops.findLast((name) => box(name).classList.contains("failed"));
      const why = at ? `It failed at the ${box(at).querySelector("b").textContent.toLowerCase()}. What that said is shown above.` : "What the function or the edge said is shown above.";
      return problem({ What: `The edge answered ${view.status}.`, Why: `${why} What may pass is decided by the function; which function answers, by the Object Lambda access point.`, Try: `glassine trace ${shell(view.url)}` }, to);
    },
  };

  // A function may go on after its answer, and what it does then ends after the request: a look or two later all of it is there.
  const settle = async (mine, view, hit, trace) => {
    for (let i = 0; i < 8 && trace?.spans.some((s) => s.durationMicros < 0); i++) {
      await new Promise((resolve) => { setTimeout(resolve, 250); });
      const response = await fetch(`/studio/hops?${new URLSearchParams({ id: trace.requestId })}`);
      if (!response.ok || mine !== followed) return;
      ({ trace } = await response.json());
      if (!trace || mine !== followed) return;
      draw(trace);
      waterfall(trace);
      edge(view, hit);
    }
  };

  const edge = (view, hit) => {
    light("viewer", milliseconds(view.total));
    light("edge", hit ? `hit, ${milliseconds(view.firstByte)}` : view.status >= 400 ? `${view.status}` : "miss", view.status >= 400 ? "failed" : "lit");
  };

  const finish = (view, hit, trace) => {
    const result = view.headers["X-Cache"] || "", took = milliseconds(view.total);
    edge(view, hit);
    says.viewer = `GET ${view.url}: the first byte came after ${milliseconds(view.firstByte)}, all ${size(view.bytes)} after ${took}.`;
    const status = trace && fact(trace, "glassine.cache.status");
    says.edge = [`${result || view.status}${status ? ` (${status.value})` : ""}.`, keySays()].filter(Boolean).join(" ");
    if (hit) $("journey-says").textContent = `${result}: the edge had it, ${view.headers.Age || 0} s old. Nothing behind it was asked.`;
    else $("journey-says").textContent = view.status >= 400 ? `${result || view.status}: it failed on the way, after ${took}.` : `${result}: it came all the way from the bucket in ${took}.`;
    if (!trace || trace.spans.length === 0) return;
    waterfall(trace);
    $("trace-link").href = `/requests?${new URLSearchParams({ id: trace.requestId })}`;
    $("drawer").hidden = false;
    drawer(trace.requestId);
  };
  return way;
};
