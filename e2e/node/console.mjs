// Drives a browser through the web console. e2e/console_test.go runs it on a system of its own, and reads a line for each
// check: "ok - name" or "not ok - name: why".
//
//   CONSOLE   the console's URL          LINKS    links that log in, once each, separated by spaces
//   KEY       access key and secret      BUCKET   the demo's bucket, which holds the test's hostile objects
//   PHOTO     a photograph to drop       PDF      a file that is no picture
//   SCREENS   a folder for screenshots   NOBODY   access key and secret of a user who may do nothing
//   ZIP       a function's archive       PAGES    the patterns of all pages, as JSON
import { readFileSync } from "node:fs";
import { budgets, sweep } from "./console_pages.mjs";
import { distributions, functions, requests, stacks } from "./console_operator.mjs";
import { key, links, nobody, secret, setUp } from "./console_tools.mjs";

const { BUCKET: bucket, PHOTO: photo, PDF: pdf } = process.env;
const tools = await setUp();
const { base, check, step, enter, newContext, settled, lit, pwned } = tools;

const loginsAndRefusals = async () => {
  await step("a link logs in once", async () => {
    const context = await newContext(), page = await context.newPage();
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
    await context.close();
  });
  await step("keyboard and login", async () => {
    const page = await (await newContext({ viewport: { width: 1024, height: 800 } })).newPage(), keys = page.keyboard;
    await page.goto(`${base}/buckets`);
    check("who is not logged in comes to the login", page.url().includes("/login?to="), page.url());
    await page.focus("#access-key");
    await keys.type(key);
    await keys.press("Tab");
    await keys.type("wrong");
    await keys.press("Enter");
    await page.waitForSelector(".problem");
    check("a wrong secret is refused, with what to do", (await page.locator(".problem").innerText()).includes("glassine env"));
    await page.focus("#secret-key");
    await keys.type(secret);
    await keys.press("Enter");
    await page.waitForSelector(".side");
    check("and the login leads back", page.url() === `${base}/buckets`, page.url());
    await keys.press("Tab");
    check("the first stop is the way past the menu", (await page.evaluate(() => document.activeElement.textContent)) === "Skip to content");
    await keys.press("Enter");
    await keys.press("Tab");
    check("and it leads into the page", await page.evaluate(() => document.getElementById("main").contains(document.activeElement)));
    await page.click("text=Log out");
    await page.waitForURL(/login/);
    await page.goto(`${base}/settings`);
    check("after the log out nothing opens", page.url().includes("/login"), page.url());
    await page.context().close();
    const poor = await enter({}, nobody);
    await poor.goto(`${base}/buckets`);
    check("a user without rights sees AWS's refusal", (await poor.locator(".problem").innerText()).includes("AccessDenied"), await poor.locator("main").innerText());
    const live = await poor.request.get(`${base}/requests/live`);
    check("and may not watch requests", live.status() === 403, live.status());
    await poor.context().close();
  });
};

const newcomer = async () => {
  const page = await enter(), text = (selector) => page.locator(selector).innerText();
  const says = () => text("#result");
  await step("newcomer", async () => {
    await page.goto(`${base}/`);
    await page.setInputFiles("#file", photo);
    await page.waitForURL(/key=/);
    await settled(page);
    check("the first request is a MISS", (await says()).startsWith("MISS"), await says());
    await page.waitForFunction(() => document.querySelector("#verdict").textContent.includes("pixels"));
    const verdict = await text("#verdict");
    check("nothing is left of the metadata", verdict.includes("0 fields"), verdict);
    check("the pixels are the same", verdict.includes("the same pixels") && (await text("#pixels")).includes("equal"), verdict);
    check("the original's place is shown first", (await page.locator(".says h3").first().innerText()).includes("Location"));
    check("and the picture that is hidden inside", await page.locator(".inside img").evaluate((i) => i.complete && i.naturalWidth > 0));
    check("a MISS goes all the way", (await lit(page, 6)) === 6, await lit(page, 6));
    await page.waitForFunction(() => [...document.querySelectorAll(".hop .took")].every((e) => /\d/.test(e.textContent) || e.textContent === "miss"));
    check("every hop has its time", true);
    await page.locator("#drawer summary").click();
    await page.waitForSelector("#functions pre.log");
    const logged = (await page.locator("#functions .seen").last().locator("pre.log").textContent()).split("\n");
    check("the function's log has lines of this request alone", logged.length === 3 && logged.every((l) => /START|END|REPORT/.test(l)), logged);
    const seen = await page.locator("#functions pre:not(.log)").allTextContents();
    check("the events that both functions saw are shown", seen.length === 2 && seen[0].includes('"origin-request"') && seen[1].includes('"getObjectContext"'), seen.length);
    check("without what would let one act", seen[1].includes('"outputToken": "(removed)"') && /X-Amz-Signature=\(removed\)/.test(seen[1]) && !/X-Amz-(Signature|Security-Token|Credential)=[^(]/.test(seen.join()), seen[1]);
    await page.click("#again");
    await page.waitForFunction(() => document.getElementById("result").textContent.startsWith("HIT"));
    check("the second request is a HIT with its age", /HIT, age \d+ s/.test(await says()), await says());
    check("a HIT lights two", (await lit(page, 2)) === 2, await lit(page, 2));
    await page.click("#purge");
    await page.waitForFunction(() => document.getElementById("result").textContent.startsWith("MISS"));
    check("after a purge it is a MISS again", true);
    check("the purge is shown as a command", (await text("#asked")).includes("aws cloudfront create-invalidation"));
    await page.click("#denied");
    await page.waitForSelector("#denied-says pre");
    check("the original has no public URL", (await text("#denied-says")).includes("403"), await text("#denied-says"));
    await page.evaluate(() => {
      window.ran = new Set();
      new MutationObserver((all) => { for (const m of all) if (m.target.classList.contains("running")) window.ran.add(m.target.dataset.hop); }).observe(document.getElementById("journey"), { subtree: true, attributeFilter: ["class"] });
    });
    await page.fill("#w-width", "400");
    await page.fill("#w-more", "utm_source=x");
    await page.waitForFunction(() => document.querySelector("#world img")?.naturalWidth === 400);
    check("a smaller one is asked for", (await text("#url")).endsWith("?width=400&utm_source=x"), await text("#url"));
    check("boxes light up while the request runs", await page.evaluate(() => window.ran.has("function") && window.ran.has("edge")), await page.evaluate(() => [...window.ran]));
    await page.waitForFunction(() => document.getElementById("key-says").textContent.includes("ignored: utm_source"));
    check("the cache key is explained, and what was ignored", (await text("#key-says")).includes("width=400"), await text("#key-says"));
    check("curl and aws-cli lines follow", (await page.locator("#snippet-curl").textContent()).includes("width=400"));
    await page.check("#w-exif");
    await page.waitForSelector("#world pre");
    check("its metadata as JSON", (await text("#world")).includes("GPS"));
  });
  await step("a file that is no picture", async () => {
    await page.goto(`${base}/`);
    await page.setInputFiles("#file", pdf);
    await page.waitForURL(/key=/);
    await page.waitForSelector("#view-problem .problem");
    const card = await text("#view-problem");
    check("a PDF shows the function's error, and where it is changed", /The edge answered [45]/.test(card) && card.includes("The function") && (await page.locator("#world pre").count()) === 1, card);
    await page.locator("#view-problem a").first().click();
    await page.waitForSelector(".waterfall tr");
    check("and leads to its trace", page.url().includes("/requests?id="), page.url());
  });
  await page.context().close();
};

// The same way without a mouse: the file, the boxes, the purge, the divider, another form.
const byKeyboard = async () => {
  const page = await enter({ viewport: { width: 1280, height: 900 } }), keys = page.keyboard;
  const until = async (test, most = 80) => {
    for (let i = 0; i < most; i++) {
      await keys.press("Tab");
      if (await page.evaluate(test)) return true;
    }
    return false;
  };
  await step("by keyboard alone", async () => {
    const chosen = page.waitForEvent("filechooser", { timeout: 90_000 }); // asked for early: a dialog that opens before that is nobody's
    chosen.catch(() => {}); // awaited below
    await page.goto(`${base}/`);
    check("the file can be reached", await until(() => document.activeElement.id === "file"));
    await keys.press("Space");
    await (await chosen).setFiles({ name: "by-keyboard.jpg", mimeType: "image/jpeg", buffer: readFileSync(photo) });
    await page.waitForURL(/key=by-keyboard/);
    await settled(page);
    await page.waitForFunction(() => !document.getElementById("compare-box").hidden);
    check("a box can be reached", await until(() => document.activeElement.dataset.hop === "edge"));
    check("and tells what happened there", (await page.locator("#hop-says").innerText()).includes("Cache key"), await page.locator("#hop-says").innerText());
    await page.focus("#purge");
    await keys.press("Enter");
    await page.waitForFunction(() => document.getElementById("asked").textContent.includes("create-invalidation"));
    check("a purge", true);
    await settled(page);
    await page.focus("#w-quality");
    check("the tabs can be reached", await until(() => document.activeElement.id === "tab-srcset"));
    await keys.press("End");
    check("and follow the arrow keys", await page.locator("#panel-aws-cli").isVisible());
    check("the divider can be reached", await until(() => document.activeElement.type === "range"));
    const before = await page.evaluate(() => Number(document.activeElement.value));
    for (let i = 0; i < 5; i++) await keys.press("ArrowRight");
    check("and moves by arrow keys", (await page.evaluate(() => Number(document.activeElement.value))) === before + 5);
  });
  await page.context().close();
};

const setup = async () => {
  const page = await enter(), text = (selector) => page.locator(selector).innerText();
  await step("set-up", async () => {
    await page.goto(`${base}/guide`);
    const steps = await page.locator(".guide > li").count();
    check("the set-up has the bucket and seven steps", steps === 8, steps);
    for (let i = 0; i < steps; i++) {
      const open = page.locator(".guide > li:not(.done)").first(), id = await open.getAttribute("id");
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
    await settled(page);
    await page.waitForFunction(() => document.querySelector("#verdict").textContent.includes("fields"));
    check("what was set up serves a clean picture", (await text("#verdict")).includes("0 fields") && (await text("#result")).startsWith("MISS"), `${await text("#result")} ${await text("#verdict")}`);
  });
  await page.context().close();
};

const hostile = async () => {
  const page = await enter(), { context } = { context: page.context() };
  await step("hostile objects", async () => {
    await page.goto(`${base}/buckets/${bucket}`);
    await page.goto(`${base}/buckets/${bucket}/object?key=evil.svg`);
    await page.goto(`${base}/buckets/${bucket}/object?key=evil.html`);
    await page.goto(`${base}/buckets/${bucket}/content?key=evil.svg`);
    const [download] = await Promise.all([page.waitForEvent("download"), page.goto(`${base}/buckets/${bucket}/content?key=evil.html`).catch(() => {})]);
    check("stored HTML is a download", download.suggestedFilename() === "evil.html", download.suggestedFilename());
    await page.waitForTimeout(300);
    check("nothing stored ran", pwned.length === 0, pwned);
  });
  await step("other sites", async () => {
    const { createServer } = await import("node:http");
    const form = `<form method="post" action="${base}/buckets"><input name="bucket" value="forged-bucket"></form><script>document.forms[0].submit()</script>`;
    const server = createServer((_, w) => { w.setHeader("Content-Type", "text/html"); w.end(form); });
    await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
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
    await page.goto(`${base}/buckets`);
    check("and changed nothing", !(await page.locator("main").innerText()).includes("forged-bucket"));
  });
  await context.close();
};

// Groups of checks that do not disturb each other run side by side; what a page shows is looked at when all of it is there.
const timed = async (name, ...groups) => {
  const began = Date.now();
  await Promise.all(groups.map((g) => g(tools)));
  console.log(`${name}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
};
await timed("budgets", budgets); // first, while the machine has nothing else to do
await timed("flows", async () => { await loginsAndRefusals(); await setup(); }, async () => { await newcomer(); await hostile(); }, async () => { await byKeyboard(); await requests(tools); });
await timed("operator", async () => { await functions(tools); await distributions(tools); }, (t) => stacks(t, "make"));
await timed("pages", sweep);
await timed("destroy", (t) => stacks(t, "destroy"));
await tools.end();
