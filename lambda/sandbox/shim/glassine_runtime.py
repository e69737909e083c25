"""The runtime of Python functions: loads the handler, asks the Runtime API for events, runs them one after the other.

An answer and the question for the next event leave in one write, which is what makes an invocation cheap.
(AWS Lambda Developer Guide, "Building Lambda functions with Python", "Using the Lambda runtime API".)
"""

import _socket
import builtins
import json
import os
import sys
import time

BASE = "/2018-06-01/runtime/"
NEXT = ("GET %sinvocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n" % BASE).encode()
LEVELS = {"TRACE": 1, "DEBUG": 2, "INFO": 3, "WARN": 4, "WARNING": 4, "ERROR": 5, "FATAL": 6, "CRITICAL": 6}
env = os.environ
as_json = env.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"
request_id = None


class Client:
    """The Runtime API over one connection."""

    def __init__(self, address):
        host, port = address.split(":")
        self.socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self.held = b""

    def read(self):
        """Reads one answer: its head, and a body of Content-Length bytes, which our server always gives."""
        data = self.held
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self.more()
        head = {}
        for line in data[:end].decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            head[name.lower()] = value.strip()
        length = int(head.get("content-length", 0))
        parts, have = [data[end + 4 :]], len(data) - end - 4
        while have < length:
            parts.append(self.more())
            have += len(parts[-1])
        body = b"".join(parts)
        self.held = body[length:]
        return head, body[:length]

    def more(self):
        data = self.socket.recv(262144)
        if not data:
            sys.exit(1)
        return data

    def next(self):
        self.socket.sendall(NEXT)
        return self.read()

    def post(self, path, body, error=None, after=b""):
        kind = "Lambda-Runtime-Function-Error-Type: %s\r\n" % error if error else ""
        head = "POST %s%s HTTP/1.1\r\nHost: runtime\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n" % (BASE, path, kind, len(body))
        self.socket.sendall(head.encode() + body + after)
        return self.read()

    def response(self, id, body):
        self.post("invocation/%s/response" % id, body, after=NEXT)
        return self.read()

    def error(self, id, error):
        self.post("invocation/%s/error" % id, encode(error), "Runtime." + kind_of(error), NEXT)
        return self.read()


def kind_of(error):
    kind = error["errorType"]
    return kind[8:] if kind.startswith("Runtime.") else "Unknown"


def encode(value):
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


class Log:
    """Log events, framed on a descriptor of their own: 4 bytes 0xa55a0003 with the level in its bits, 4 bytes of length,
    8 bytes of microseconds, the message. Without the descriptor, lines on standard output."""

    def __init__(self):
        self.fd = int(env.pop("_LAMBDA_TELEMETRY_LOG_FD", "0"))

    def write(self, level, text):
        if not self.fd:
            sys.stdout.write(text.replace("\n", "\r") + "\n")
            return
        message = text.encode("utf-8", "backslashreplace")
        magic = (0xA55A0002 if as_json else 0xA55A0003) | LEVELS.get(level, 0) << 2
        frame = magic.to_bytes(4, "big") + len(message).to_bytes(4, "big") + int(time.time() * 1e6).to_bytes(8, "big") + message
        while frame:
            frame = frame[os.write(self.fd, frame) :]


class LoggingLater:
    """Sets the logging module up as soon as something imports it: many functions never do, and it takes its time."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name)
        execute = spec.loader.exec_module

        def execute_and_install(module):
            execute(module)
            import glassine_logging

            glassine_logging.install()

        spec.loader.exec_module = execute_and_install
        return spec


class Failure(Exception):
    """What the runtime itself reports: (type, message)."""


def describe(e, id=None):
    """An exception as an invoker reads it, without the frames of this file."""
    if isinstance(e, Failure):
        return {"errorMessage": e.args[1], "errorType": e.args[0], "requestId": id or "", "stackTrace": []}
    import traceback

    frames = [f for f in traceback.extract_tb(e.__traceback__) if f.filename != __file__ and not f.filename.startswith("<frozen importlib")]
    return {"errorMessage": str(e), "errorType": type(e).__name__, "requestId": id or "", "stackTrace": traceback.format_list(frames)}


def report(error):
    """Logs an error as the runtime does."""
    if as_json:
        line = {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "log_level": "ERROR", **error}
        log.write("ERROR", json.dumps(line, ensure_ascii=False))
        return
    trace = "\nTraceback (most recent call last):\n" + "".join(error["stackTrace"]) if error["stackTrace"] else ""
    log.write("ERROR", "[ERROR] %s: %s%s" % (error["errorType"], error["errorMessage"], trace.rstrip("\n")))


class Identity:
    def __init__(self, fields):
        self.cognito_identity_id = fields.get("cognitoIdentityId")
        self.cognito_identity_pool_id = fields.get("cognitoIdentityPoolId")


class ClientInfo:
    def __init__(self, fields):
        for name in ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"):
            setattr(self, name, fields.get(name))


class ClientContext:
    def __init__(self, fields):
        self.client = ClientInfo(fields["client"]) if fields.get("client") else None
        self.custom, self.env = fields.get("custom"), fields.get("env")


class Context:
    def __init__(self, head):
        self.aws_request_id = head["lambda-runtime-aws-request-id"]
        self.log_group_name = env.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = env.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = env.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = env.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = env.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.invoked_function_arn = head.get("lambda-runtime-invoked-function-arn")
        given = head.get("lambda-runtime-client-context")
        self.client_context = ClientContext(json.loads(given)) if given else None
        self.identity = Identity(json.loads(head.get("lambda-runtime-cognito-identity") or "{}"))
        self.tenant_id = head.get("lambda-runtime-aws-tenant-id")
        self._deadline = int(head.get("lambda-runtime-deadline-ms", 0))

    def get_remaining_time_in_millis(self):
        return max(self._deadline - int(time.time() * 1000), 0)

    def log(self, message):
        log.write("INFO", str(message))


def load(name):
    """Finds the handler: module.function, where slashes are packages."""
    module_name, dot, function = name.rpartition(".")
    if not dot:
        raise Failure("Runtime.MalformedHandlerName", "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name)
    module_name = module_name.replace("/", ".")
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Failure("Runtime.ImportModuleError", "Cannot use built-in module %s as a handler module" % module_name)
    import importlib

    try:
        module = importlib.import_module(module_name)
    except ImportError as e:
        raise Failure("Runtime.ImportModuleError", "Unable to import module '%s': %s%s" % (module_name, e, hint(e)))
    except SyntaxError as e:
        raise Failure("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, e))
    if not hasattr(module, function):
        raise Failure("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function, module_name))
    return getattr(module, function)


def hint(e):
    if (e.name or "").split(".")[0] not in ("boto3", "botocore", "s3transfer"):
        return ""
    return ". AWS's Python runtimes bundle boto3; here it has to be in the function's zip or in a layer: pip install --target FOLDER boto3 puts it into the folder of the zip"


def answer(client, handler, head, body):
    """Runs one event and returns the next one."""
    id = head["lambda-runtime-aws-request-id"]
    try:
        context = Context(head)
        result = handler(json.loads(body), context)
    except Exception as e:
        error = describe(e, id)
    else:
        try:
            payload = encode(result)
        except (TypeError, ValueError, RecursionError) as e:
            error = describe(Failure("Runtime.MarshalError", "Unable to marshal response: %s" % e), id)
        else:
            return client.response(id, payload)
    report(error)
    return client.error(id, error)


def main():
    global request_id
    client = Client(env["AWS_LAMBDA_RUNTIME_API"])
    root = env["LAMBDA_TASK_ROOT"]
    layers = env.get("GLASSINE_LAYERS", "/opt")
    version = "python%d.%d" % sys.version_info[:2]
    if env.get("GLASSINE_AWS_PORT"):
        import glassine_names

        glassine_names.install(int(env["GLASSINE_AWS_PORT"]))
    here = sys.path.pop(0)
    sys.path[:0] = [root, layers + "/python", "%s/python/lib/%s/site-packages" % (layers, version), here]
    builtins.exit = builtins.quit = sys.exit  # the site module's, which is not loaded
    try:
        handler = load(env["_HANDLER"])
    except Exception as e:
        error = describe(e)
        report(error)
        client.post("init/error", encode(error), "Runtime." + kind_of(error))
        sys.exit(1)
    head, body = client.next()
    while True:
        request_id = head["lambda-runtime-aws-request-id"]
        trace = head.get("lambda-runtime-trace-id")
        if trace:
            env["_X_AMZN_TRACE_ID"] = trace
        else:
            env.pop("_X_AMZN_TRACE_ID", None)
        head, body = answer(client, handler, head, body)


log = Log()
sys.meta_path.insert(0, LoggingLater())
