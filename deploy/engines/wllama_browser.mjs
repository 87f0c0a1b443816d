// What wllama expects of a browser, made of Node's own parts.
import { resolveObjectURL } from 'node:buffer';
import { Worker as Thread } from 'node:worker_threads';

// before is what a worker's code finds around it.
const before = `
  const { parentPort } = require('node:worker_threads');
  globalThis.self = globalThis;
  globalThis.location = { href: 'file:///worker.js' };
  globalThis.WorkerNavigator = class {};
  globalThis.navigator = { hardwareConcurrency: 1, userAgent: 'node' };
  globalThis.postMessage = (message, transfer) => parentPort.postMessage(message, transfer?.transfer ?? transfer);
  let onmessage;
  parentPort.on('message', (data) => onmessage({ data }));
`;

// BrowserWorker runs the code behind a blob: URL, which Node's worker cannot load, in a thread.
class BrowserWorker {
  #thread;

  constructor(url) {
    this.#thread = resolveObjectURL(url).text().then((code) => {
      const thread = new Thread(before + code, { eval: true });
      thread.on('message', (data) => this.onmessage?.({ data }));
      thread.on('error', (error) => this.onerror?.(error));
      return thread;
    });
  }

  postMessage(message, options) {
    this.#thread.then((thread) => thread.postMessage(message, options?.transfer));
  }

  terminate() {
    this.#thread.then((thread) => thread.terminate());
  }
}

// useNodeAsBrowser is called before wllama is imported.
export function useNodeAsBrowser() {
  globalThis.Worker = BrowserWorker;
  globalThis.document = { baseURI: 'file:///' };
  globalThis.navigator ??= { hardwareConcurrency: 1, userAgent: 'node' };
  navigator.storage ??= { getDirectory() {} }; // for models that are downloaded: none is
  // With it, which newer versions of Node have, wllama would take its build for browsers that have WebGPU as well.
  delete WebAssembly.Suspending;
}
