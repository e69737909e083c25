// Answers questions of the tests with sharp, from e2e/node. Reads one JSON question a line, and writes one JSON answer a line:
//   {"input":BASE64,"options":{...},"steps":[["resize",{...}],["png"]],"want":"file"|"raw"|"about"}
// calls sharp(input, options) and then each step; "file" answers {"data":BASE64}, "raw" with 4 bytes a pixel and {"width","height"}
// beside, "about" with sharp's metadata of the input. An error is {"error": message}.
'use strict';
const path = require('node:path');
const sharp = require(path.join(__dirname, '../../../../e2e/node/node_modules/sharp'));

async function answer({ input, options, steps, want }) {
  let image = sharp(Buffer.from(input, 'base64'), options || {});
  if (want === 'about') {
    return JSON.parse(JSON.stringify(await image.metadata(), (key, v) => (v && v.type === 'Buffer' ? v.data.length : v)));
  }
  for (const [name, ...args] of steps || []) image = image[name](...args);
  if (want === 'raw') image = image.ensureAlpha().raw();
  const { data, info } = await image.toBuffer({ resolveWithObject: true });
  return { data: data.toString('base64'), width: info.width, height: info.height };
}

(async () => {
  for await (const line of require('node:readline').createInterface({ input: process.stdin })) {
    let out;
    try {
      out = await answer(JSON.parse(line));
    } catch (error) {
      out = { error: String(error.message) };
    }
    process.stdout.write(JSON.stringify(out) + '\n');
  }
})();
