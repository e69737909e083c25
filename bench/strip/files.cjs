// The peer of bench/strip from file to file: re-encodes pictures as the reference function does, one after the other.
// Run with node -e; the arguments are the folder for the results and the pictures.
'use strict';
const path = require('node:path');
const sharp = require('sharp');

sharp.concurrency(1);
const [out, ...pictures] = process.argv.slice(1);
(async () => {
  for (const picture of pictures) await sharp(picture).toFile(path.join(out, path.basename(picture)));
})();
