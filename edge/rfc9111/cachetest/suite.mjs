// Runs http-cache-tests (npm) against a cache. Its origin listens on 127.0.0.1 only. Usage:
//   node suite.mjs <folder of the package>
// Prints "origin <port>", reads the cache's base URL from standard input, and prints a JSON array of
// {suite, id, name, kind, result, detail}. result is what the suite's own determineTestResult says, in words.
import http from 'node:http'
import path from 'node:path'
import readline from 'node:readline'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const dir = path.resolve(process.argv[2])
const load = file => import(pathToFileURL(path.join(dir, file)))
const print = s => process.stdout.write(s + '\n')
console.log = console.error
process.chdir(dir)

const handlers = {
  config: (await load('server/handle-config.mjs')).default,
  test: (await load('server/handle-test.mjs')).default,
  state: (await load('server/handle-state.mjs')).default
}
const server = http.createServer((request, response) => {
  const [kind, ...rest] = new URL(request.url, 'http://localhost').pathname.split('/').slice(1)
  if (handlers[kind]) return handlers[kind](rest, request, response)
  response.writeHead(404).end()
})
server.listen(0, '127.0.0.1', () => print(`origin ${server.address().port}`))

const base = await new Promise(resolve => readline.createInterface({ input: process.stdin }).once('line', resolve))
const suites = (await load('tests/index.mjs')).default
suites.push((await load('tests/surrogate-control.mjs')).default)
const { runTests, getResults } = await load('client/runner.mjs')
const { determineTestResult } = await load('lib/display.mjs')
const fetch = createRequire(path.join(dir, 'package.json'))('node-fetch')

const words = { '✅': 'pass', Y: 'pass', N: 'no', '⛔️': 'fail', '⚠️': 'fail', '🔹': 'setup', '⁉️': 'harness', '⚪️': 'dependency', '↻': 'retry', '-': 'untested' }
await runTests(suites, fetch, false, base)
const results = getResults()
const out = []
for (const suite of suites) {
  for (const test of suite.tests) {
    if (test.browser_only) continue
    const result = results[test.id]
    out.push({
      suite: suite.id,
      id: test.id,
      name: test.name,
      kind: test.kind || 'required',
      result: words[determineTestResult(suites, test.id, results)[2]],
      detail: Array.isArray(result) ? result.join(': ') : ''
    })
  }
}
process.stdout.write(JSON.stringify(out) + '\n', () => process.exit(0)) // a pipe is written in the background
