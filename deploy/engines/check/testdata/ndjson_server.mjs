// Ollama's chat by Node's http, written as its own tutorial would: ndjson_server.mjs PORT
//
// Several lines come in one write, and lines are cut where it happens; keys stand in another order than Ollama's, with more
// of them; lines are empty; the last one has no line end.
import { createServer } from 'node:http';

const answer = ['Grüße', ' aus', ' 東京', '.'];

createServer(async (request, response) => {
  let body = '';
  for await (const piece of request) body += piece;
  if (request.method === 'GET') return response.end('{"version":"9.9"}');
  const asked = JSON.parse(body);
  const line = (more) => JSON.stringify({ done: false, extra: { a: [1] }, ...more, model: asked.model, created_at: new Date().toISOString() });
  const lines = answer.map((content) => line({ message: { content, role: 'assistant' } }));
  if (asked.messages[0].content === 'fail') {
    lines.push('{"error":"out of parrots"}');
  } else {
    lines.push('', line({
      message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop', total_duration: 5e6, load_duration: 1e6,
      prompt_eval_count: 7, prompt_eval_duration: 2e6, eval_count: 4, eval_duration: 3e6,
    }));
  }
  response.setHeader('Content-Type', 'application/x-ndjson');
  const text = Buffer.from(lines.join('\n'));
  for (let at = 0; at < text.length; at += 50) response.write(text.subarray(at, at + 50));
  response.end();
}).listen(+process.argv[2], '127.0.0.1');
