// llama.cpp compiled to WebAssembly, run by Node, behind OpenAI's HTTP interface.
//
//   wllama_server.mjs --model FILE.gguf --port 8080 [--context 1024] [--threads 1] [--modules node_modules]
//
// It takes what llmscen gives it as well: --host, --alias, and --ctx-size for --context.
// It listens on 127.0.0.1 until SIGTERM or SIGINT: /health, /v1/models, /v1/chat/completions and /v1/completions.
// One request is worked on at a time and the others wait in the order of their coming: the slots of wllama's own server
// starve each other. As in llama.cpp's server, the model that a request names is not looked at.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

import { useNodeAsBrowser } from './wllama_browser.mjs';

// Refusal is what a request is answered that is not worked on.
class Refusal extends Error {
  constructor(code, type, message) {
    super(message);
    Object.assign(this, { code, type });
  }
}

const { model, host, port, alias, context, modules } = options();
const stream = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' };
const name = alias ?? basename(model, '.gguf');
const packages = resolve(modules, '@wllama');

let requests = 0;
let last = Promise.resolve(); // the end of the latest that has come

// What the guest said of the request that it works on. Where it refuses one, wllama's own error has less.
let complaint;
const ERROR = 4; // of wllama's levels of logging

useNodeAsBrowser();
const { Wllama } = await import(pathToFileURL(`${packages}/wllama/esm/index.js`));
const wllama = new Wllama({ default: 'file:///not-used.wasm' }, {
  logger: { debug() {}, log() {}, warn: console.warn, error: remember },
});
wllama.setCompat({
  worker: { code: readFileSync(`${packages}/wllama-compat/wasm/wllama.js`, 'utf8') },
  wasm: pathToFileURL(`${packages}/wllama-compat/wasm/wllama.wasm`).href,
});
await wllama.loadModel([new Blob([readFileSync(model)])], {
  n_ctx: context, n_threads: 1, n_parallel: 1, n_gpu_layers: 0, log_level: ERROR,
});
if (!wllama.getLoadedContextInfo().success) throw new Error(`loading ${model}: ${complaint?.message}`);

function remember(text, detail) {
  complaint = detail?.message ? detail : complaint ?? { message: text };
}

const server = createServer((request, response) => answer(request, response).catch((error) => fail(response, error)));
server.listen(port, host, () => console.log(`wllama serves ${name} at http://${host}:${server.address().port}`));
// Signals are left to the kernel, which ends the process at once: process.exit would wait for what V8 still compiles of
// the guest in the background, for twenty seconds on a busy machine.

function options() {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      port: { type: 'string' },
      host: { type: 'string', default: '127.0.0.1' },
      alias: { type: 'string' },
      context: { type: 'string', default: '1024' },
      'ctx-size': { type: 'string' },
      threads: { type: 'string', default: '1' },
      modules: { type: 'string', default: 'node_modules' },
    },
  });
  if (!values.model || !values.port) throw new Error('--model and --port are needed');
  // With more, emscripten would start its threads from a blob: URL, inside the worker, which Node cannot.
  if (values.threads !== '1') throw new Error('--threads must be 1: under Node the guest has one thread');
  return { ...values, port: +values.port, context: +(values['ctx-size'] ?? values.context) };
}

async function answer(request, response) {
  switch (`${request.method} ${request.url}`) {
    case 'GET /health':
      return send(response, 200, { status: 'ok' });
    case 'GET /v1/models':
      return send(response, 200, { object: 'list', data: [{ id: name, object: 'model', created: 0, owned_by: 'wllama' }] });
    case 'POST /v1/chat/completions':
      return complete(request, response, 'chatcmpl-', 'messages', (o) => wllama.createChatCompletion(o));
    case 'POST /v1/completions':
      return complete(request, response, 'cmpl-', 'prompt', (o) => wllama.createCompletion(o));
    default:
      throw new Refusal(404, 'not_found_error', `there is no ${request.method} ${request.url}`);
  }
}

// complete generates by run, and sends one answer or a stream of chunks.
async function complete(request, response, prefix, needed, run) {
  const gone = new AbortController();
  response.on('close', () => gone.abort()); // ends the generation too, at its next token
  const asked = await readJSON(request);
  if (asked[needed] === undefined) throw new Refusal(400, 'invalid_request_error', `'${needed}' is required`);
  const own = { id: prefix + ++requests, model: name };
  await inTurn(async () => {
    if (gone.signal.aborted) return;
    complaint = undefined;
    if (!asked.stream) {
      return send(response, 200, { ...await run({ ...asked, abortSignal: gone.signal }), ...own });
    }
    for await (const chunk of await run({ ...asked, abortSignal: gone.signal })) {
      // Not before the first chunk: what the guest refuses has a status of its own.
      if (!response.headersSent) response.writeHead(200, stream);
      response.write(`data: ${JSON.stringify({ ...chunk, ...own })}\n\n`);
    }
    response.end('data: [DONE]\n\n');
  });
}

// inTurn runs f when all that came before have ended.
function inTurn(f) {
  const mine = last.then(f);
  last = mine.catch(() => {});
  return mine;
}

async function readJSON(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  let value;
  try {
    value = JSON.parse(Buffer.concat(pieces).toString());
  } catch (error) {
    throw new Refusal(400, 'invalid_request_error', error.message);
  }
  if (value === null || typeof value !== 'object') throw new Refusal(400, 'invalid_request_error', 'the body is no object');
  return value;
}

function send(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

// fail tells the client what went wrong, or cuts its stream: one that ends well has [DONE].
function fail(response, error) {
  if (error.message.startsWith('(ABORT)')) { // the guest is gone, and would never answer again
    console.error(error);
    process.exit(1);
  }
  if (response.headersSent) return response.destroy();
  const { code = 400, type = 'invalid_request_error', message } = error instanceof Refusal ? error : complaint ?? error;
  send(response, code, { error: { code, message, type } });
}
