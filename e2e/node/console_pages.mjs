// Every page of the console, as its router knows them: served, accessible in both colour schemes, fitting a phone and a desk; and
// what the first page costs.
import { readFileSync } from "node:fs";

const { BUCKET: bucket, SCREENS: screens, DISTRIBUTION: distribution, VIEWER: viewer } = process.env;
const axe = readFileSync(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

// examples are pages to look at, by pattern of the router: one at least for each.
const examples = {
  "/login": { login: "/login" },
  "/": { studio: "/", picture: "/?key=sample.jpg" },
  "/guide": { guide: "/guide" },
  "/docs": { docs: "/docs", "docs-found": "/docs?q=cache" },
  "/docs/{page}": { doc: "/docs/first-picture" },
  "/buckets": { buckets: "/buckets" },
  "/buckets/{bucket}": { bucket: `/buckets/${bucket}` },
  "/buckets/{bucket}/object": { object: `/buckets/${bucket}/object?key=sample.jpg` },
  "/points": { points: "/points" },
  "/points/{name}": { point: "/points/glassine-demo-ap" },
  "/object-lambda": { "object-lambda": "/object-lambda" },
  "/object-lambda/{name}": { "object-lambda-point": "/object-lambda/glassine-demo" },
  "/functions": { functions: "/functions" },
  "/functions/{name}": { function: "/functions/glassine-image", "function-code": "/functions/hello" },
  "/access": { access: "/access" },
  "/access/roles/{name}": { role: "/access/roles/glassine-signer-role" },
  "/access/users/{name}": { user: "/access/users/nobody" },
  "/access/policy": { policy: "/access/policy?arn=arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole" },
  "/access/explain": { explain: `/access/explain?principal=arn:aws:iam::123456789012:role/glassine-signer-role&action=s3:GetObject&resource=arn:aws:s3:::${bucket}/a.jpg` },
  "/distributions": { distributions: "/distributions" },
  "/distributions/{id}": { distribution: `/distributions/${distribution}?ask=/sample.jpg?width=9%26utm_source=x` },
  "/cache-policies": { "cache-policies": "/cache-policies" },
  "/stacks": { stacks: "/stacks" },
  "/stacks/{name}": { stack: "/stacks/look" },
  "/stacks/{name}/changes/{set}": { changes: null }, // the one that the checks of stacks made
  "/requests": { requests: "/requests", request: `/requests?url=${encodeURIComponent(`${viewer}/sample.jpg?width=55`)}` },
  "/logs": { logs: "/logs", log: "/logs?group=/aws/lambda/glassine-image&since=24h" },
  "/charts": { charts: "/charts" },
  "/settings": { settings: "/settings" },
  "/backup": { backup: "/backup" },
};

export const sweep = async (tools) => {
  const { base, check, step, enter, newContext, settled } = tools;
  const patterns = JSON.parse(process.env.PAGES), all = { error: "/nothing" };
  for (const pattern of patterns) {
    check(`${pattern} is looked at`, pattern in examples);
    Object.assign(all, examples[pattern]);
  }
  if (tools.changes) all.changes = tools.changes;
  const look = async (tab, name, path) => {
    const answer = await tab.goto(base + path, { waitUntil: "load" });
    if (name === "picture") await settled(tab);
    const inline = / style=|<style|<script(?![^>]* src=)|<[^>]+ on\w+=/.exec(await answer.text());
    check(`${name} has no inline style and no inline script`, !inline, inline);
    check(`${name} is served`, answer.status() === (name === "error" ? 404 : 200), answer.status());
    for (const scheme of ["light", "dark"]) {
      await tab.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      const only = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };
      const found = await tab.evaluate(`${scheme === "light" ? axe : ""};axe.run(${JSON.stringify(only)})`);
      check(`${name} is accessible, ${scheme}`, found.violations.length === 0, found.violations.map((v) => `${v.id} ${v.nodes.map((n) => n.target).join(" ")}`).join("; "));
      for (const width of scheme === "light" ? [320, 360, 1440] : [360, 1440]) {
        await tab.setViewportSize({ width, height: 900 });
        check(`${name} fits ${width} px, ${scheme}`, await tab.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
        if (width !== 320) await tab.screenshot({ path: `${screens}/${name}-${width}-${scheme}.png`, fullPage: true });
      }
    }
  };
  const waiting = Object.entries(all).filter(([name]) => name !== "login");
  const worker = async () => {
    const tab = await enter();
    for (let next = waiting.shift(); next; next = waiting.shift()) await step(`page ${next[0]}`, () => look(tab, ...next));
    await tab.context().close();
  };
  await Promise.all([worker(), worker(), step("page login", async () => {
    const tab = await (await newContext()).newPage();
    await look(tab, "login", "/login");
    await tab.context().close();
  })]);
};

// budgets: what a first visit loads, and when the largest thing is painted. The best of three counts: the machine has other work.
export const budgets = async ({ base, check, step, enter, newContext }) => {
  await step("budgets", async () => {
    for (const [name, open] of [["login", async () => (await newContext()).newPage()], ["studio", enter]]) {
      let bytes = 0, best = Infinity;
      for (let i = 0; i < 3; i++) {
        const page = await open();
        await page.goto(base + (name === "login" ? "/login" : "/"), { waitUntil: "networkidle" });
        const seen = await page.evaluate(() => new Promise((resolve) => {
          const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource").filter((r) => r.initiatorType !== "img")];
          new PerformanceObserver((list) => resolve({ bytes: all.reduce((sum, r) => sum + r.encodedBodySize, 0), lcp: list.getEntries().at(-1).startTime })).observe({ type: "largest-contentful-paint", buffered: true });
        }));
        bytes = seen.bytes;
        best = Math.min(best, seen.lcp);
        await page.context().close();
      }
      console.log(`${name}: ${bytes} bytes as sent, largest contentful paint after ${Math.round(best)} ms`);
      check(`${name} is under 60 KB as sent`, bytes > 1000 && bytes < 60000, bytes);
      check(`${name} paints its largest within 2.5 s, however busy the machine`, best < 2500, best); // 300 ms are the aim: see what is printed
    }
  });
};
