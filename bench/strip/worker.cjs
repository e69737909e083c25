// The peer of bench/strip: re-encodes pictures as the reference function does, sharp(input).toBuffer() at its defaults.
// One JSON order a line on standard input, {"concurrency": n or null, "parallel": n, "repeat": n}; one JSON result a line back.
// Run with node -e; the arguments are the pictures, which are read before the first order, so that only the work counts.
'use strict';
const fs = require('node:fs');
const readline = require('node:readline');
const sharp = require('sharp');

const pictures = process.argv.slice(1).map((file) => fs.readFileSync(file));
const usual = sharp.concurrency();

async function work({ concurrency, parallel, repeat }) {
  sharp.concurrency(concurrency || usual);
  const jobs = [];
  for (let i = 0; i < repeat; i++) jobs.push(...pictures);
  let next = 0;
  let bytes = 0;
  const lane = async () => {
    while (next < jobs.length) {
      const out = await sharp(jobs[next++]).toBuffer();
      bytes += out.length;
    }
  };
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  await Promise.all(Array.from({ length: parallel }, lane));
  const wall = Number(process.hrtime.bigint() - start) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  return { images: jobs.length, bytes, wall, cpu: (user + system) / 1e6 };
}

(async () => {
  console.log(JSON.stringify({ node: process.version, sharp: sharp.versions.sharp, vips: sharp.versions.vips, concurrency: usual }));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await work(JSON.parse(line))));
  }
})();
