"""OpenAI's chat completions by Python's http.server, written as its own tutorial would: sse_server.py PORT

Whatever the format allows, it does: CRLF, comments, an event: line, no space after data:, one data in two lines, pieces that
end in the middle of a character, a role by itself, reasoning first, and usage after the last choice.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = ["Grüße", " aus", " 東京", ".", "\n\n", "data: x"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b'{"object": "list", "data": [{"id": "parrot", "object": "model"}]}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked["messages"][0]["content"] == "fail":
            return self.stream([self.chunk({"role": "assistant"}), {"error": {"message": "out of parrots", "code": 500}}], done=True)
        chunks = [self.chunk({"role": "assistant", "content": ""})]
        chunks += [self.chunk({"reasoning_content": t}) for t in ("hm", "m")]
        chunks += [self.chunk({"content": t}) for t in ANSWER]
        chunks += [self.chunk({}, "stop")]
        chunks += [{"choices": [], "usage": {
            "prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16, "prompt_tokens_details": {"cached_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 2},
        }}]
        self.stream(chunks, done=True)

    def chunk(self, delta, finish=None):
        return {"id": "p-1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    def stream(self, chunks, done):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        text = ": welcome\r\n\r\n"
        for i, c in enumerate(chunks):
            data = json.dumps(c, ensure_ascii=False)
            if i % 3 == 0:
                text += f"data:{data}\r\n\r\n: ping\r\n\r\n"
            elif i % 3 == 1:
                text += f"event: message\r\nid: {i}\r\ndata: {data}\r\n\r\n"
            else:
                head, comma, rest = data.partition(",")
                text += f"data: {head}{comma}\r\ndata: {rest}\r\n\r\n"
        if done:
            text += "data: [DONE]\r\n\r\n"
        body = text.encode()
        for at in range(0, len(body), 7):
            piece = body[at:at + 7]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
