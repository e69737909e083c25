// The peer of bench/resize: makes pictures 800 pixels wide with sharp, as the order says.
// One JSON order a line on standard input, {"format": f, "options": {...}, "parallel": n, "repeat": n}; one JSON result a line back.
// Run with node -e; the arguments are the pictures, which are read before the first order, so that only the work counts.
'use strict';
const fs = require('node:fs');
const readline = require('node:readline');
const sharp = require('sharp');

const pictures = process.argv.slice(1).map((file) => fs.readFileSync(file));
sharp.concurrency(1); // one thread for one picture, as ours
sharp.cache(false);

async function work({ format, options, parallel, repeat }) {
  const jobs = [];
  for (let i = 0; i < repeat; i++) jobs.push(...pictures);
  let next = 0;
  let bytes = 0;
  const lane = async () => {
    while (next < jobs.length) {
      const out = await sharp(jobs[next++]).autoOrient().resize({ width: 800, withoutEnlargement: true }).keepIccProfile().toFormat(format, options).toBuffer();
      bytes += out.length;
    }
  };
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  await Promise.all(Array.from({ length: parallel }, lane));
  const wall = Number(process.hrtime.bigint() - start) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  return { images: jobs.length, bytes, wall, cpu: (user + system) / 1e6, peakMB: process.resourceUsage().maxRSS / 1024 };
}

(async () => {
  console.log(JSON.stringify({ node: process.version, sharp: sharp.versions.sharp, vips: sharp.versions.vips }));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await work(JSON.parse(line))));
  }
})();
