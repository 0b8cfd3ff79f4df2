// Runs the trace processor of Perfetto's page as a browser's worker would: requests of its protocol
// come on stdin, answers go to stdout. The argument is the folder of the page's files.
const fs = require("fs");
const path = require("path");
const folder = process.argv[2];

class Request {
  open(_method, url) {
    this.file = path.join(folder, path.basename(String(url)));
  }
  send() {
    const bytes = fs.readFileSync(this.file);
    this.status = 200;
    this.response = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  }
}

const worker = { location: { href: "file:///engine.js", protocol: "file:", host: "" } };
const quiet = { log() {}, warn() {}, error: console.error };
// What a worker has not (a process, modules) is hidden from it, and what it has is given.
const names = ["process", "require", "self", "WorkerGlobalScope", "XMLHttpRequest", "console", "location"];
const values = [undefined, undefined, worker, class {}, Request, quiet, worker.location];
const source = fs.readFileSync(path.join(folder, "engine_bundle.js"), "utf8");
new Function(...names, source)(...values);

const port = { postMessage: (data) => process.stdout.write(Buffer.from(data)) };
worker.onmessage({ data: port });
process.stdin.on("data", (chunk) => port.onmessage({ data: new Uint8Array(chunk) }));
