// What an operator does in the console: follow requests, set a distribution, upload and publish a function, change and destroy a stack.
const { BUCKET: bucket, DISTRIBUTION: distribution, ZIP: zip } = process.env;

export const requests = async ({ base, check, step, enter }) => {
  const page = await enter(), view = (query) => page.request.get(`${base}/studio/view?d=${distribution}&key=sample.jpg&query=${encodeURIComponent(query)}`);
  await step("requests", async () => {
    await page.goto(`${base}/requests?path=width%3D211`);
    await page.click("#live");
    await page.waitForFunction(() => document.getElementById("live-says").textContent === "Following");
    await view("width=210");
    await view("width=211");
    const row = page.locator("#latest tr").first();
    await row.locator("text=Miss").waitFor();
    check("a request appears while it is followed", (await row.innerText()).includes("/sample.jpg?width=211"), await row.innerText());
    await view("width=211");
    await page.locator("#latest tr", { hasText: "Hit" }).first().waitFor();
    check("hits are recorded while somebody follows", true);
    check("and what the filter leaves out does not", !(await page.locator("#latest").innerText()).includes("width=210"));
    await page.locator("#latest tr", { hasText: "Miss" }).locator("a").first().click();
    await page.waitForSelector(".waterfall tr");
    const curl = await page.locator("button", { hasText: "Copy as curl" }).getAttribute("data-copy"), cli = await page.locator("button", { hasText: "Copy as aws-cli" }).getAttribute("data-copy");
    check("it can be copied as curl and as aws-cli", curl.includes("/sample.jpg?width=211") && cli.includes("s3api get-object") && cli.includes("--key sample.jpg"), `${curl} ${cli}`);
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("text=Share as JSON")]);
    const { readFileSync } = await import("node:fs");
    const shared = readFileSync(await download.path(), "utf8");
    check("what is shared has its steps, and not who asked", shared.includes('"spans"') && !shared.includes("client.address") && !shared.includes("width=211"), shared.slice(0, 300));
    await page.click("text=Replay");
    await page.waitForSelector("text=glassine.cache.key.query");
    check("a replay explains its cache key", true);
  });
  await page.context().close();
};

export const distributions = async ({ base, check, step, enter }) => {
  const page = await enter(), main = () => page.locator("main").innerText();
  page.on("dialog", (d) => d.accept());
  await step("a distribution", async () => {
    await page.goto(`${base}/distributions/${distribution}`);
    await page.fill("#ask", "/sample.jpg?width=77&utm_source=x");
    await page.waitForSelector("#key-parts table");
    check("the cache key is shown as one types", (await page.locator("#key-parts").innerText()).includes("ignored: utm_source"), await page.locator("#key-parts").innerText());
    check("what was asked for most is counted", (await page.locator(".top").first().innerText()).includes("/sample.jpg"), await main());
    check("and why it was missed", (await page.locator(".top .why").first().innerText()).includes("×"));
    check("its hit rate is drawn", (await page.locator("#chart-hits svg[role=img]").count()) === 1, await page.locator("#chart-hits").innerText());
    await page.fill("#o-name", "originals");
    await page.fill("#domain", "example.com");
    await page.click("button[value=origin]");
    await page.waitForSelector(".flash");
    check("an origin is made, and the command shown", (await page.locator(".flash").innerText()).includes("aws cloudfront update-distribution") && (await main()).includes("example.com"), await main());
    await page.fill("#pattern", "/raw/*");
    await page.selectOption("#b-origin", "originals");
    await page.click("button[value=behavior]");
    await page.waitForSelector("text=The behavior of /raw/* is set.");
    await page.selectOption("#t-pattern", "/raw/*");
    await page.selectOption("#t-function", { label: "glassine-signer:1" });
    await page.click("button[value=trigger]");
    await page.waitForSelector("text=runs at origin-request of /raw/*");
    const row = () => page.locator("tr", { hasText: "/raw/*" }).innerText();
    check("a behavior is made, with a function at the edge", (await row()).includes("originals") && (await row()).includes("glassine-signer"), await row());
    await page.click("[aria-label='Delete the behavior of /raw/*']");
    await page.waitForSelector("text=The behavior of /raw/* is gone.");
    await page.click("[aria-label='Delete the origin originals']");
    await page.waitForSelector("text=The origin originals is gone.");
    check("and both are taken away", !(await page.locator("table").allInnerTexts()).join().includes("originals"));
  });
  await step("explain", async () => {
    await page.goto(`${base}/access/explain?principal=arn:aws:iam::123456789012:role/glassine-signer-role&action=s3:GetObject&resource=arn:aws:s3:::${bucket}/a.jpg`);
    check("an allowed action shows its statement", (await page.locator("mark").count()) > 0 && (await main()).includes("allowed"));
    await page.goto(`${base}/access/explain?principal=arn:aws:iam::123456789012:role/glassine-signer-role&action=s3:DeleteObject&resource=arn:aws:s3:::${bucket}/a.jpg`);
    check("a denied one shows a draft", (await page.locator("#draft").innerText()).includes("s3:DeleteObject"));
  });
  await page.context().close();
};

export const functions = async ({ base, check, step, enter }) => {
  const page = await enter();
  await step("functions and logs", async () => {
    await page.goto(`${base}/access`);
    await page.fill("#role", "hello-role");
    await page.selectOption("#trust", "edgelambda");
    await page.click("button[value=role]");
    await page.waitForSelector("#trust");
    check("a role for the edge is made", (await page.locator("#trust").inputValue()).includes("edgelambda.amazonaws.com"));
    await page.goto(`${base}/functions`);
    await page.fill("#name", "hello");
    await page.selectOption("#runtime", "nodejs20.x");
    await page.selectOption("#role", { label: "hello-role" });
    await page.setInputFiles("#code", zip);
    await page.click("text=Make function");
    await page.waitForSelector("#source");
    check("a function's code is shown", (await page.locator("#source pre").innerText()).includes("exports.handler") && (await page.locator("#source .files").innerText()).includes("lib/more.js"));
    await page.click("#source >> text=lib/more.js");
    await page.waitForSelector("#source pre >> text=42");
    check("file by file", true);
    await page.click("button[value=publish]");
    await page.waitForSelector("text=Published hello:1");
    await page.fill("#alias", "live");
    await page.selectOption("#version", "1");
    await page.click("button[value=alias]");
    await page.waitForSelector(".pill .tag");
    check("a version is published and gets an alias", (await page.locator(".pill").innerText()).includes("live"));
    await page.goto(`${base}/functions/glassine-signer`);
    await page.click("#test-form button.primary");
    await page.waitForSelector("#test .tag");
    check("a function runs and its answer is put in place", page.url().endsWith("/functions/glassine-signer"), page.url());
    await page.goto(`${base}/functions/glassine-image`);
    check("how long it takes is told", /\d+ runs? in the last hour/.test(await page.locator("main").innerText()));
    await page.goto(`${base}/logs?group=/aws/lambda/glassine-image&since=24h`);
    const before = await page.locator("#lines code").textContent();
    await page.click("#tail");
    await page.waitForFunction(() => document.getElementById("tail-says").textContent === "Following");
    await page.request.get(`${base}/studio/view?d=${distribution}&key=sample.jpg&query=width%3D123`);
    await page.waitForFunction((was) => document.querySelector("#lines code").textContent.length > was, before.length);
    check("a log is followed as it grows", true);
  });
  await page.context().close();
};

const template = (days) => JSON.stringify({ Resources: { Log: { Type: "AWS::Logs::LogGroup", Properties: { LogGroupName: "look-log", RetentionInDays: days } }, ...(days > 7 ? {} : { More: { Type: "AWS::SSM::Parameter", Properties: { Name: "look-more", Type: "String", Value: "x" } } }) } });

// stacks makes one, changes it and leaves a change set to look at; or destroys it.
export const stacks = async (tools, what) => {
  const { base, check, step, enter } = tools, page = await enter();
  page.on("dialog", (d) => d.accept());
  const plan = async (days) => {
    await page.locator("form[action='/stacks'] details", { hasText: "Or as text" }).locator("summary").first().click();
    await page.fill("#template", template(days));
    await page.locator("form[action='/stacks'] button.primary").click();
    await page.waitForURL(/\/changes\//);
  };
  if (what === "make") {
    await step("stacks", async () => {
      await page.goto(`${base}/stacks`);
      await page.fill("#name", "look");
      await plan(7);
      check("what a new stack would make is shown first", (await page.locator(".change").allInnerTexts()).every((t) => t.includes("+ add")) && (await page.locator(".change").count()) === 2);
      await page.click("button[value=go]");
      await page.waitForSelector("h1 + p >> text=CREATE_COMPLETE");
      check("and made, with its events", (await page.locator("#events").innerText()).includes("CREATE_COMPLETE"));
      await plan(14);
      const said = await page.locator("main").innerText();
      check("a new template's differences are shown, and what would be gone", said.includes("− remove") && said.includes("~ change") && said.includes("1 resource would be gone") && said.includes("RetentionInDays"), said);
      tools.changes = new URL(page.url()).pathname;
    });
  } else {
    await step("destroy", async () => {
      await page.goto(`${base}/stacks/look`);
      await page.click("text=Delete the stack");
      await page.waitForSelector("#proof");
      const proof = await page.locator("#proof").innerText();
      check("a destroyed stack is proved to be gone", proof.includes("nothing is left") && proof.includes("logs:DescribeLogGroups"), proof);
    });
  }
  await page.context().close();
};
