"""Serves this folder and takes the form, which `python3 -m http.server` cannot: it answers POST with 501."""

import http.server
import sys
import urllib.parse


class Landing(http.server.SimpleHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print("the form sent:", dict(urllib.parse.parse_qsl(body, keep_blank_values=True)), flush=True)
        self.send_response(303)
        self.send_header("Location", "thanks.html")
        self.end_headers()


port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
print(f"http://127.0.0.1:{port}", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", port), Landing).serve_forever()
