/** Extensions for tests: a program in Python's standard library, told by its variables what to do. */
import { chmodSync } from "node:fs"
import { join } from "node:path"
import { codeFolder } from "./codeFolder.ts"

/**
 * Registers under its file name and prints every event that it gets. Its behaviour is in the variable `EXTENSION`, a
 * JSON object, and is that of all the extensions of a function.
 */
const program = `#!/usr/bin/env python3
import http.server, json, os, sys, threading, time, urllib.error, urllib.request

api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"]
name = os.path.basename(sys.argv[0])
does = json.loads(os.environ.get("EXTENSION", "{}"))

def call(method, path, body=None, headers={}):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(api + path, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()

def say(*parts):
    print(*parts, flush=True)

if "exitAtStart" in does:
    sys.exit(does["exitAtStart"])
time.sleep(does.get("registerAfter", 0))
status, headers, body = call("POST", "/2020-01-01/extension/register", {"events": does.get("events", ["INVOKE", "SHUTDOWN"])},
    {"Lambda-Extension-Name": name, "Lambda-Extension-Accept-Feature": "accountId"})
say("registered", status, body)
me = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
if "subscribe" in does:
    batches = []
    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            records = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            batches.append(records)
            if "telemetryFile" in does:
                with open(does["telemetryFile"], "a") as file:
                    file.write("".join(json.dumps(record) + "\\n" for record in records))
            self.send_response(200)
            self.end_headers()
        def log_message(self, *parts):
            pass
    server = http.server.HTTPServer((does.get("listenOn", "127.0.0.1"), 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wanted = json.loads(json.dumps(does["subscribe"]["body"]).replace("PORT", str(server.server_port)))
    status, _, body = call("PUT", does["subscribe"]["path"], wanted, me)
    say("subscribed", status, body)
if "initError" in does:
    call("POST", "/2020-01-01/extension/init/error", {"errorMessage": "no use", "errorType": does["initError"]},
        {**me, "Lambda-Extension-Function-Error-Type": does["initError"]})
    sys.exit(1)
while True:
    status, headers, body = call("GET", "/2020-01-01/extension/event/next", None, me)
    event = json.loads(body)
    say(name, body)
    if event["eventType"] == "SHUTDOWN":
        time.sleep(does.get("shutdownTakes", 0))
        say("farewell")
        sys.exit(0)
    if "exitWhenInvoked" in does:
        sys.exit(does["exitWhenInvoked"])
    if "exitError" in does:
        call("POST", "/2020-01-01/extension/exit/error", {"errorMessage": "had enough"},
            {**me, "Lambda-Extension-Function-Error-Type": does["exitError"]})
        time.sleep(600)
    time.sleep(does.get("invokeTakes", 0))
`

/** A folder of layers with extensions of these names, and these files beside them. */
export const layersWith = (names: ReadonlyArray<string>, files: Readonly<Record<string, string>> = {}): string => {
  const extensions = Object.fromEntries(names.map((name) => [`extensions/${name}`, program]))
  const { path } = codeFolder({ ...extensions, ...files })
  for (const name of names) chmodSync(join(path, "extensions", name), 0o755)
  chmodSync(path, 0o755)
  return path
}
