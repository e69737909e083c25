// What the console's checks share: the browser, what is forbidden to every page, and logging in.
import { chromium } from "playwright-core";

const { CONSOLE: base, CHROMIUM: executablePath = "/usr/bin/chromium" } = process.env;
export const links = process.env.LINKS.split(" "), [key, secret] = process.env.KEY.split(" "), nobody = process.env.NOBODY.split(" ");

export const setUp = async () => {
  const check = (name, good, why = "") => console.log(`${good ? "ok" : "not ok"} - ${name}${good ? "" : `: ${String(why).replaceAll("\n", " ")}`}`);
  const step = async (name, f) => {
    try {
      await f();
    } catch (e) {
      const at = /console\w*\.mjs:\d+/.exec(e.stack)?.[0];
      check(name, false, `${at}: ${e.message.split("\n").slice(0, 6).join(" ")}`);
    }
  };
  const browser = await chromium.launch({
    executablePath,
    args: [...(process.getuid() === 0 ? ["--no-sandbox"] : []), "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"],
  });
  const violations = [], left = [], errors = [], pwned = [];
  const newContext = async (options = {}) => {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, acceptDownloads: true, ...options });
    context.setDefaultTimeout(45000);
    await context.exposeBinding("reportViolation", ({ page }, text) => violations.push(`${page.url()}: ${text}`));
    await context.addInitScript(() => addEventListener("securitypolicyviolation", (e) => window.reportViolation?.(`${e.violatedDirective} ${e.blockedURI}`)));
    context.on("request", (r) => {
      const u = new URL(r.url());
      if (/^https?:$/.test(u.protocol) && !["127.0.0.1", "localhost"].includes(u.hostname)) left.push(r.url());
      if (u.pathname === "/pwned") pwned.push(r.frame()?.url() ?? r.url());
    });
    context.on("weberror", (e) => errors.push(`${e.page()?.url()}: ${e.error().message}`));
    return context;
  };
  // enter opens a page of a session of its own, so that what one group of checks is told is not told another.
  const enter = async (options = {}, [id, word] = [key, secret]) => {
    const context = await newContext(options);
    const answer = await context.request.post(`${base}/login`, { form: { "access-key": id, "secret-key": word }, maxRedirects: 0 });
    if (answer.status() !== 303) throw new Error(`login: ${answer.status()}`);
    return context.newPage();
  };
  return {
    base, check, step, browser, newContext, enter, pwned,
    settled: (page) => page.waitForFunction(() => document.getElementById("result")?.textContent && !document.getElementById("world").classList.contains("busy")),
    lit: async (page, n) => {
      await page.waitForFunction((want) => document.querySelectorAll(".hop.lit").length === want && !document.querySelector(".hop.running"), n, { timeout: 10000 }).catch(() => {});
      return page.locator(".hop.lit").count();
    },
    end: async () => {
      check("no page did what its policy forbids", violations.length === 0, violations);
      check("no request left the machine", left.length === 0, left);
      check("no script failed", errors.length === 0, errors);
      await browser.close();
    },
  };
};
