"""Runs a Lambda function for Python: the program of a worker. Needs Python 3.9 and its standard library alone.

Fetches events from the Lambda Runtime API one after another and posts what became of them. The connection is its own
HTTP: http.client parses headers with the mail package, which takes longer than the rest of a warm invocation.
"""

import decimal
import importlib
import json
import logging
import math
import os
import socket
import sys
import time
import traceback

ROOT = "/2018-06-01/runtime"


class Fault(Exception):
    """An error of the runtime's own, with the type that Lambda gives it."""

    def __init__(self, error_type, message, trace=()):
        super().__init__(message)
        self.error_type = error_type
        self.trace = list(trace)


class RuntimeClient:
    """The Runtime API over one connection that stays open. Understands what it answers: a status and a length."""

    def __init__(self, api):
        host, _, port = api.rpartition(":")
        self._host = api
        self._next = f"GET {ROOT}/invocation/next HTTP/1.1\r\nHost: {api}\r\n\r\n".encode()
        self._received = bytearray()
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def next(self):
        """Waits for the first event."""
        self._socket.sendall(self._next)
        return self._answer()

    def settle(self, request_id, answer):
        """Posts what became of an event and waits for the next one. Both calls leave together."""
        self._socket.sendall(self._post(f"/invocation/{request_id}/{answer['verb']}", **answer) + self._next)
        status, _, body = self._answer()
        # 413 is an answer too: the event has ended with it, and the worker goes on.
        if status not in (202, 413):
            raise ConnectionError(f"The Runtime API refused an answer: {status} {body.decode()}")
        return self._answer()

    def fail_init(self, answer):
        self._socket.sendall(self._post("/init/error", **answer))
        self._answer()

    def _post(self, path, body, error_type=None, content_type="application/json", verb=None):
        failed = f"Lambda-Runtime-Function-Error-Type: {error_type}\r\n" if error_type else ""
        head = (
            f"POST {ROOT}{path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: {content_type}\r\n{failed}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode("latin-1", "replace") + body

    def _answer(self):
        end = self._received.find(b"\r\n\r\n")
        while end == -1:
            self._receive()
            end = self._received.find(b"\r\n\r\n")
        status_line, *lines = self._received[:end].decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        whole = end + 4 + int(headers.get("content-length", "0"))
        while len(self._received) < whole:
            self._receive()
        body = bytes(self._received[end + 4 : whole])
        del self._received[:whole]
        return int(status_line[9:12]), headers, body

    def _receive(self):
        chunk = self._socket.recv(262144)
        if not chunk:
            # There is no worker without its Runtime API, and nobody to tell.
            os._exit(1)
        self._received += chunk


class Client:
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext:
    __slots__ = ("custom", "env", "client")


class CognitoIdentity:
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


def filled(kind, values):
    """An object of `kind` whose fields are those of `values`, or None."""
    if values is None:
        return None
    made = kind()
    for name in kind.__slots__:
        setattr(made, name, values.get(name))
    return made


class LambdaContext:
    """The second argument of a handler."""

    def __init__(self, headers):
        environ = os.environ
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.log_group_name = environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.client_context = filled(ClientContext, json.loads(headers.get("lambda-runtime-client-context", "null")))
        if self.client_context is not None:
            self.client_context.client = filled(Client, self.client_context.client)
        identity = json.loads(headers.get("lambda-runtime-cognito-identity", "{}"))
        self.identity = CognitoIdentity()
        self.identity.cognito_identity_id = identity.get("cognitoIdentityId")
        self.identity.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")
        self._deadline_millis = int(headers.get("lambda-runtime-deadline-ms", "0"))

    def get_remaining_time_in_millis(self):
        return max(self._deadline_millis - int(time.time() * 1000), 0)

    def log(self, message):
        print(message)

    def __repr__(self):
        fields = ("aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb")
        fields += ("function_version", "invoked_function_arn", "client_context", "identity")
        return f"LambdaContext([{','.join(f'{name}={getattr(self, name)}' for name in fields)}])"


class LogHandler(logging.Handler):
    """Python's logging as a function in Lambda has it: level, time, request id and text, on standard output."""

    request_id = ""

    def emit(self, record):
        record.aws_request_id = LogHandler.request_id
        # One record is one line of the worker's output: its line feeds become carriage returns.
        print(self.format(record).replace("\n", "\r"))


class LogFormatter(logging.Formatter):
    converter = time.gmtime


def json_line(level, request_id, fields):
    """One line of a log in JSON. What JSON does not know is told as its text."""
    now = time.time()
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now * 1000) % 1000:03d}Z"
    return json.dumps({"timestamp": stamp, "level": level, "requestId": request_id, **fields}, default=str)


class JsonLogFormatter(logging.Formatter):
    def format(self, record):
        fields = {"message": record.getMessage(), "logger": record.name}
        fields.update((name, value) for name, value in vars(record).items() if name not in KNOWN_FIELDS)
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            fields["errorType"] = type(error).__name__
            fields["errorMessage"] = str(error)
            fields["stackTrace"] = traceback.format_tb(error.__traceback__)
        return json_line(LEVELS.get(record.levelname, record.levelname), record.aws_request_id, fields)


# What every record has. Anything else was given to it as `extra`.
KNOWN_FIELDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "aws_request_id"}
# Python's names, where Lambda has others.
LEVELS = {"WARNING": "WARN", "CRITICAL": "FATAL"}
LOGS_JSON = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"


def set_up_logging():
    handler = LogHandler()
    root = logging.getLogger()
    if LOGS_JSON:
        level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO")
        root.setLevel({"TRACE": 1, "WARN": logging.WARNING, "FATAL": logging.CRITICAL}.get(level, level))
        handler.setFormatter(JsonLogFormatter())
    else:
        form = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
        handler.setFormatter(LogFormatter(form, "%Y-%m-%dT%H:%M:%S"))
    root.addHandler(handler)


def load_handler(setting):
    module_name, dot, name = setting.rpartition(".")
    if not dot:
        raise Fault(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{setting}': not enough values to unpack (expected 2, got 1)",
        )
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        place = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", [place]
        ) from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module_name}'") from error


def encode_decimal(value):
    """Numbers from DynamoDB are decimals. Digits beyond those of a double are lost."""
    if not isinstance(value, decimal.Decimal):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    if value.is_nan():
        return math.nan
    return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)


def success(result):
    if isinstance(result, bytes):
        return {"verb": "response", "body": result, "content_type": "application/unknown"}
    try:
        text = json.dumps(result, ensure_ascii=False, default=encode_decimal)
        return {"verb": "response", "body": text.encode()}
    except UnicodeEncodeError:
        # A string with half a surrogate pair has no UTF-8, but it has an escape.
        return {"verb": "response", "body": json.dumps(result, default=encode_decimal).encode()}
    except Exception as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def failure(error, request_id):
    """What the caller gets of an exception; what the log gets of it is printed here."""
    if isinstance(error, Fault):
        error_type, trace = error.error_type, error.trace
    else:
        error_type = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)
        while frames and frames[0].filename == __file__:
            del frames[0]
        trace = traceback.format_list(frames)
    log_error(error_type, str(error), trace, request_id)
    document = {"errorMessage": str(error), "errorType": error_type, "requestId": request_id, "stackTrace": trace}
    return {"verb": "error", "body": json.dumps(document).encode(), "error_type": error_type}


def log_error(error_type, message, trace, request_id):
    if LOGS_JSON:
        fields = {"errorType": error_type, "errorMessage": message, "stackTrace": trace}
        print(json_line("ERROR", request_id, fields))
        return
    lines = [f"[ERROR] {error_type}: {message}"]
    if trace:
        lines += ["Traceback (most recent call last):", *trace]
    print("\n".join(lines).rstrip("\n").replace("\n", "\r"))


def run(handler, body, context):
    try:
        try:
            event = json.loads(body)
        except ValueError as error:
            raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None
        return success(handler(event, context))
    except Exception as error:
        return failure(error, context.aws_request_id)


def set_trace_id(trace_id):
    if trace_id is None:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    else:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id


def serve(client, handler):
    _, headers, body = client.next()
    while True:
        context = LambdaContext(headers)
        LogHandler.request_id = context.aws_request_id
        set_trace_id(headers.get("lambda-runtime-trace-id"))
        answer = run(handler, body, context)
        sys.stdout.flush()
        sys.stderr.flush()
        _, headers, body = client.settle(context.aws_request_id, answer)


def main():
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    # The folder of this program gives way to the function's: its modules come first.
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
    set_up_logging()
    client = RuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load_handler(os.environ.get("_HANDLER", ""))
    except Exception as error:
        client.fail_init(failure(error, ""))
        sys.exit(1)
    serve(client, handler)


if __name__ == "__main__":
    main()
