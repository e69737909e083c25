// Drives a browser through the web console. e2e/console_test.go runs it on a system of its own, and reads a line for each
// check: "ok - name" or "not ok - name: why".
//
//   CONSOLE   the console's URL          LINKS    links that log in, once each, separated by spaces
//   KEY       access key and secret      BUCKET   the demo's bucket, which holds the test's hostile objects
//   PHOTO     a photograph to drop       PDF      a file that is no picture
//   SCREENS   a folder for screenshots   NOBODY   access key and secret of a user who may do nothing
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { chromium } from "playwright-core";

const { CONSOLE: base, BUCKET: bucket, PHOTO: photo, PDF: pdf, SCREENS: screens, CHROMIUM: executablePath = "/usr/bin/chromium" } = process.env;
const links = process.env.LINKS.split(" "), [key, secret] = process.env.KEY.split(" "), nobody = process.env.NOBODY.split(" ");
const axe = readFileSync(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

const check = (name, good, why = "") => console.log(`${good ? "ok" : "not ok"} - ${name}${good ? "" : `: ${String(why).replaceAll("\n", " ")}`}`);
const step = async (name, f) => {
  try {
    await f();
  } catch (e) {
    check(name, false, e.message.split("\n").slice(0, 6).join(" "));
  }
};

const browser = await chromium.launch({
  executablePath,
  args: [...(process.getuid() === 0 ? ["--no-sandbox"] : []), "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"],
});

const violations = [], left = [], errors = [], pwned = [];
const newContext = async (options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  context.setDefaultTimeout(30000);
  await context.exposeBinding("reportViolation", ({ page }, text) => violations.push(`${page.url()}: ${text}`));
  await context.addInitScript(() => addEventListener("securitypolicyviolation", (e) => window.reportViolation?.(`${e.violatedDirective} ${e.blockedURI}`)));
  context.on("request", (r) => {
    const u = new URL(r.url());
    if (/^https?:$/.test(u.protocol) && !["127.0.0.1", "localhost"].includes(u.hostname)) left.push(r.url());
    if (u.pathname === "/pwned") pwned.push(r.frame()?.url() ?? r.url());
  });
  context.on("weberror", (e) => errors.push(e.error().message));
  return context;
};

const context = await newContext();
const page = await context.newPage();
const at = (path) => page.goto(base + path, { waitUntil: "load" });
const text = (selector) => page.locator(selector).innerText();
const lit = async (n) => { await page.waitForFunction((want) => document.querySelectorAll(".hop.lit").length === want, n, { timeout: 10000 }).catch(() => {}); return page.locator(".hop.lit").count(); };
const settled = () => page.waitForFunction(() => document.getElementById("result")?.textContent && !document.getElementById("world").classList.contains("busy"));

await step("a link logs in once", async () => {
  await page.goto(links[0]);
  await page.waitForSelector(".side");
  check("a link logs in", true);
  check("its token is not in the address", !page.url().includes(links[0].split("#")[1]), page.url());
  const other = await (await newContext()).newPage();
  await other.goto(links[0]);
  await other.waitForSelector(".problem");
  check("the same link again is refused", (await other.locator(".problem").innerText()).includes("used already"));
  await other.context().close();
  const [cookie] = (await context.cookies(base)).filter((c) => c.name === "glassine_console");
  check("the session's cookie is out of reach for scripts and other sites", cookie?.httpOnly && cookie.sameSite === "Strict", JSON.stringify(cookie));
});

await step("newcomer", async () => {
  await at("/");
  await page.setInputFiles("#file", photo);
  await page.waitForURL(/key=/);
  await settled();
  check("the first request is a MISS", (await text("#result")).startsWith("MISS"), await text("#result"));
  await page.waitForFunction(() => document.querySelector("#verdict").textContent.includes("pixels"));
  const verdict = await text("#verdict");
  check("nothing is left of the metadata", verdict.includes("0 fields"), verdict);
  check("the pixels are the same", verdict.includes("the same pixels"), verdict);
  check("the original's place is shown first", (await page.locator(".says h3").first().innerText()).includes("Location"));
  check("a MISS goes all the way", (await lit(6)) === 6, await lit(6));
  await page.waitForFunction(() => [...document.querySelectorAll(".hop .took")].every((e) => e.textContent !== ""));
  check("every hop has its time", true);
  await page.waitForFunction(() => !document.getElementById("log").hidden);
  const logged = (await page.locator("#log-lines").textContent()).split("\n");
  check("the function's log has lines of this request alone", logged.length === 3 && logged.every((l) => /START|END|REPORT/.test(l)), logged);
  await page.click("#again");
  await page.waitForFunction(() => document.getElementById("result").textContent.startsWith("HIT"));
  check("the second request is a HIT", true);
  check("a HIT lights two", (await lit(2)) === 2, await lit(2));
  await page.click("#purge");
  await page.waitForFunction(() => document.getElementById("result").textContent.startsWith("MISS"));
  check("after a purge it is a MISS again", true);
  check("the purge is shown as a command", (await text("#asked")).includes("aws cloudfront create-invalidation"));
  await page.click("#denied");
  await page.waitForSelector("#denied-says pre");
  check("the original has no public URL", (await text("#denied-says")).includes("403"), await text("#denied-says"));
  await page.fill("#w-width", "400");
  await page.waitForFunction(() => document.querySelector("#world img")?.naturalWidth === 400);
  check("a smaller one is asked for", (await text("#url")).endsWith("?width=400"), await text("#url"));
  check("curl and aws-cli lines follow", (await page.locator("#snippet-curl").textContent()).includes("width=400"));
  await page.locator("#tab-srcset").focus();
  await page.keyboard.press("End");
  check("tabs follow the arrow keys", await page.locator("#panel-aws-cli").isVisible());
  await page.check("#w-exif");
  await page.waitForSelector("#world pre");
  check("its metadata as JSON", (await text("#world")).includes("GPS"));
});

await step("a file that is no picture", async () => {
  await at("/");
  await page.setInputFiles("#file", pdf);
  await page.waitForURL(/key=/);
  await page.waitForSelector("#view-problem .problem");
  check("a PDF shows the function's error and where it came from", /The edge answered [45]/.test(await text("#view-problem")) && (await page.locator("#world pre").count()) === 1, await text("#view-problem"));
});

await step("set-up", async () => {
  await at("/guide");
  const steps = await page.locator(".guide > li").count();
  check("the set-up has the bucket and seven steps", steps === 8, steps);
  for (let i = 0; i < steps; i++) {
    const open = page.locator(".guide > li:not(.done)").first();
    const id = await open.getAttribute("id");
    if (!(await open.locator("details").evaluate((d) => d.open))) await open.locator("summary").first().click();
    await open.locator("button[value=step]").click();
    await page.waitForLoadState("load");
    const done = await page.locator(`#${id}.done`).count();
    check(`step ${id} is done`, done === 1, await page.locator(".problem").allInnerTexts());
    if (!done) return;
  }
  await page.click("text=Open it in the Studio");
  await page.waitForSelector("#drop");
  await page.setInputFiles("#file", photo);
  await page.waitForURL(/key=/);
  await settled();
  await page.waitForFunction(() => document.querySelector("#verdict").textContent.includes("fields"));
  check("what was set up serves a clean picture", (await text("#verdict")).includes("0 fields") && (await text("#result")).startsWith("MISS"), `${await text("#result")} ${await text("#verdict")}`);
});

await step("functions, logs, explain", async () => {
  await at("/functions/glassine-signer");
  await page.click("#test-form button.primary");
  await page.waitForSelector("#test .tag");
  check("a function runs and its answer is put in place", (await page.locator("#test .tag").count()) === 1 && page.url().endsWith("/functions/glassine-signer"), page.url());
  await at("/logs?group=/aws/lambda/glassine-image&since=24h");
  const before = await page.locator("#lines code").textContent();
  await page.click("#tail");
  await page.waitForFunction(() => document.getElementById("tail-says").textContent === "Following");
  const view = await context.request.get(`${base}/studio/view?d=${process.env.DISTRIBUTION}&key=sample.jpg&query=width%3D123`);
  check("a viewer's request goes through", view.status() === 200, view.status());
  await page.waitForFunction((was) => document.querySelector("#lines code").textContent.length > was, before.length);
  check("a log is followed as it grows", true);
  await at(`/access/explain?principal=arn:aws:iam::123456789012:role/glassine-signer-role&action=s3:GetObject&resource=arn:aws:s3:::${bucket}/a.jpg`);
  check("an allowed action shows its statement", (await page.locator("mark").count()) > 0 && (await text("main")).includes("allowed"));
  await at(`/access/explain?principal=arn:aws:iam::123456789012:role/glassine-signer-role&action=s3:DeleteObject&resource=arn:aws:s3:::${bucket}/a.jpg`);
  check("a denied one shows a draft", (await text("#draft")).includes("s3:DeleteObject"));
  await at(`/distributions/${process.env.DISTRIBUTION}`);
  await page.fill("#ask", "/sample.jpg?width=77&utm_source=x");
  await page.click("#key button");
  await page.waitForSelector("#key table");
  check("the cache key is explained", (await text("#key")).includes("glassine.cache.key.query"), await text("#key"));
});

await step("hostile objects", async () => {
  await at(`/buckets/${bucket}`);
  await at(`/buckets/${bucket}/object?key=evil.svg`);
  await at(`/buckets/${bucket}/object?key=evil.html`);
  await at(`/buckets/${bucket}/content?key=evil.svg`);
  const [download] = await Promise.all([page.waitForEvent("download"), page.goto(`${base}/buckets/${bucket}/content?key=evil.html`).catch(() => {})]);
  check("stored HTML is a download", download.suggestedFilename() === "evil.html", download.suggestedFilename());
  await page.waitForTimeout(300);
  check("nothing stored ran", pwned.length === 0, pwned);
});

await step("other sites", async () => {
  const form = `<form method="post" action="${base}/buckets"><input name="bucket" value="forged-bucket"></form><script>document.forms[0].submit()</script>`;
  const server = createServer((_, w) => { w.setHeader("Content-Type", "text/html"); w.end(form); });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const forger = await context.newPage();
  for (const host of ["127.0.0.1", "localhost"]) {
    const [answer] = await Promise.all([
      forger.waitForResponse((r) => r.url() === `${base}/buckets` && r.request().method() === "POST"),
      forger.goto(`http://${host}:${server.address().port}/`),
    ]);
    check(`a form from another ${host === "localhost" ? "site" : "port"} is refused`, answer.status() === 403 || answer.status() === 303, answer.status());
  }
  await forger.close();
  server.close();
  await at("/buckets");
  check("and changed nothing", !(await text("main")).includes("forged-bucket"));
});

await step("keyboard and login", async () => {
  const keyboard = await (await newContext({ viewport: { width: 1024, height: 800 } })).newPage();
  await keyboard.goto(`${base}/buckets`);
  check("who is not logged in comes to the login", keyboard.url().includes("/login?to="), keyboard.url());
  const type = async (words) => { for (const w of words) { if (w === "\t" || w === "\n") await keyboard.keyboard.press(w === "\t" ? "Tab" : "Enter"); else await keyboard.keyboard.type(w); } };
  await keyboard.focus("#access-key");
  await type([key, "\t", "wrong", "\n"]);
  await keyboard.waitForSelector(".problem");
  check("a wrong secret is refused, with what to do", (await keyboard.locator(".problem").innerText()).includes("glassine env"));
  await keyboard.focus("#secret-key");
  await type([secret, "\n"]);
  await keyboard.waitForSelector(".side");
  check("and the login leads back", keyboard.url() === `${base}/buckets`, keyboard.url());
  await keyboard.keyboard.press("Tab");
  check("the first stop is the way past the menu", (await keyboard.evaluate(() => document.activeElement.textContent)) === "Skip to content");
  await keyboard.keyboard.press("Enter");
  await keyboard.keyboard.press("Tab");
  check("and it leads into the page", await keyboard.evaluate(() => document.getElementById("main").contains(document.activeElement)));
  await keyboard.click("text=Log out");
  await keyboard.waitForURL(/login/);
  await keyboard.goto(`${base}/settings`);
  check("after the log out nothing opens", keyboard.url().includes("/login"), keyboard.url());
  await keyboard.context().close();
  const poor = await (await newContext()).newPage();
  await poor.goto(`${base}/login`);
  await poor.fill("#access-key", nobody[0]);
  await poor.fill("#secret-key", nobody[1]);
  await poor.click("#login button.primary");
  await poor.waitForSelector(".side");
  await poor.goto(`${base}/buckets`);
  check("a user without rights sees AWS's refusal", (await poor.locator(".problem").innerText()).includes("AccessDenied"), await poor.locator("main").innerText());
  await poor.context().close();
});

const pages = {
  studio: "/", picture: "/?key=sample.jpg", guide: "/guide", buckets: "/buckets", bucket: `/buckets/${bucket}`, object: `/buckets/${bucket}/object?key=sample.jpg`, points: "/points",
  point: "/points/glassine-demo-ap", "object-lambda": "/object-lambda", "object-lambda-point": "/object-lambda/glassine-demo", functions: "/functions", function: "/functions/glassine-image",
  access: "/access", role: "/access/roles/glassine-signer-role", user: "/access/users/nobody", policy: "/access/policy?arn=arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
  explain: `/access/explain?principal=arn:aws:iam::123456789012:role/glassine-signer-role&action=s3:GetObject&resource=arn:aws:s3:::${bucket}/a.jpg`,
  distributions: "/distributions", distribution: `/distributions/${process.env.DISTRIBUTION}`, "cache-policies": "/cache-policies", stacks: "/stacks", logs: "/logs",
  log: "/logs?group=/aws/lambda/glassine-image&since=24h", charts: "/charts", "requests-latest": "/requests", requests: `/requests?url=${encodeURIComponent(`${process.env.VIEWER}/sample.jpg?width=55`)}`, settings: "/settings", error: "/nothing",
};
for (const scheme of ["light", "dark"]) {
  await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
  for (const [name, path] of Object.entries({ login: null, ...pages })) {
    await step(`${name}, ${scheme}`, async () => {
      const tab = path === null ? await (await newContext({ colorScheme: scheme })).newPage() : page;
      const answer = await tab.goto(base + (path ?? "/login"), { waitUntil: "load" });
      if (name === "picture") await settled();
      check(`${name} is served`, answer.status() === (name === "error" ? 404 : 200), answer.status());
      const found = await tab.evaluate(`${axe};axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })`);
      check(`${name} is accessible, ${scheme}`, found.violations.length === 0, found.violations.map((v) => `${v.id} ${v.nodes.map((n) => n.target).join(" ")}`).join("; "));
      for (const width of [360, 1440]) {
        await tab.setViewportSize({ width, height: 900 });
        const wide = await tab.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        check(`${name} fits ${width} px`, !wide);
        if (screens) await tab.screenshot({ path: `${screens}/${name}-${width}-${scheme}.png`, fullPage: true });
      }
      if (tab !== page) await tab.context().close();
    });
  }
}

check("no page did what its policy forbids", violations.length === 0, violations);
check("no request left the machine", left.length === 0, left);
check("no script failed", errors.length === 0, errors);
await browser.close();
