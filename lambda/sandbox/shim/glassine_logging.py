"""The logging module as Python functions find it: a handler on the root logger, text or JSON, level WARNING by default."""

import json
import logging
import time

import glassine_runtime as runtime


class Handler(logging.Handler):
    """The handler of the root logger, which is there before the function's code is."""

    def emit(self, record):
        runtime.log.write(record.levelname, self.format(record).rstrip("\n"))


class TextFormatter(logging.Formatter):
    converter = time.gmtime

    def __init__(self):
        super().__init__("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S")


class JSONFormatter(logging.Formatter):
    known = set(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "aws_request_id", "tenant_id"}

    def format(self, record):
        line = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname, "message": record.getMessage(), "logger": record.name,
        }
        if record.exc_info:
            kind, value, _ = record.exc_info
            line["errorType"], line["errorMessage"] = kind.__name__, str(value)
            line["stackTrace"] = self.formatException(record.exc_info).split("\n")
            line["location"] = "%s:%s:%d" % (record.pathname, record.funcName, record.lineno)
        if record.aws_request_id:
            line["requestId"] = record.aws_request_id
        line.update((k, v) for k, v in vars(record).items() if k not in self.known and k not in line)
        return json.dumps(line, ensure_ascii=False, default=str)


class Request(logging.Filter):
    def filter(self, record):
        record.aws_request_id = runtime.request_id or ""
        return True


def install():
    handler = Handler()
    handler.setFormatter(JSONFormatter() if runtime.as_json else TextFormatter())
    handler.addFilter(Request())
    logging.root.addHandler(handler)
    if runtime.as_json:
        level = runtime.env.get("AWS_LAMBDA_LOG_LEVEL", "INFO").upper()
        logging.addLevelName(5, "TRACE")
        logging.root.setLevel({"FATAL": "CRITICAL", "WARN": "WARNING"}.get(level, level))
