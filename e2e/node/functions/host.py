# Serves a Lambda handler as a webhook: python3 host.py HANDLER.py. It prints its URL, and ends with its standard input. The
# proxy variables lead AWS's names to the endpoint.
import base64
import http.server
import importlib.util
import json
import os
import sys
import threading

spec = importlib.util.spec_from_file_location("function", sys.argv[1])
function = importlib.util.module_from_spec(spec)
spec.loader.exec_module(function)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        os.environ.update(json.loads(base64.b64decode(self.headers["Glassine-Function-Credentials"])))
        try:
            status, body = 200, json.dumps(function.handler(event, None))
        except Exception as e:  # a function's own failure
            status, body = 500, repr(e)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}/", flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
server.serve_forever()
