"""liar.py NODE FROM TO: hands on what a node answers, with FROM (a regular expression) replaced by TO, once an answer. Prints
its own URL."""
import http.server
import re
import sys
import urllib.error
import urllib.request

node, old, new = sys.argv[1:]


class Liar(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            with urllib.request.urlopen(node + self.path) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        text = re.sub(old.encode(), new.encode(), text, count=1)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
