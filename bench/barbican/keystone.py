"""A Keystone that takes any token ...-USER for a member of the project p1. Argument: the port."""
import datetime
import http.server
import json
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        user = self.headers.get("X-Subject-Token", "").rpartition("-")[2]
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        body = json.dumps({"token": {
            "expires_at": end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "user": {"id": user},
            "project": {"id": "p1"},
            "roles": [{"id": "r", "name": "member"}],
        }}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


class Server(http.server.ThreadingHTTPServer):
    # The five of the class itself are too few for 64 clients that come at once: the kernel drops the
    # rest, and they try again after one second, and after three.
    request_queue_size = 128


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
