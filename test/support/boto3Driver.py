"""
boto3 for a test in another language: takes one request a line, {"call": "get_function", "with": {...}}, and answers
with a line each: what the client returned, or the class and the message of what it raised. Bytes are {"base64": ...},
times {"time": ...}. Each result is held against the output shape of boto3's own model.
"""
import base64
import datetime
import json
import sys

import boto3
import botocore
from botocore.config import Config
from botocore.response import StreamingBody
from botocore.validate import ParamValidator

client = boto3.client(
    "lambda",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="nobody",
    aws_secret_access_key="nothing",
    config=Config(retries={"total_max_attempts": 1}),
)


def from_wire(value):
    if isinstance(value, dict):
        if set(value) == {"base64"}:
            return base64.b64decode(value["base64"])
        return {key: from_wire(item) for key, item in value.items()}
    return [from_wire(item) for item in value] if isinstance(value, list) else value


def to_wire(value):
    if isinstance(value, dict):
        return {key: to_wire(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_wire(item) for item in value]
    if isinstance(value, (bytes, StreamingBody)):
        read = value if isinstance(value, bytes) else value.read()
        return {"base64": base64.b64encode(read).decode()}
    if isinstance(value, datetime.datetime):
        return {"time": value.isoformat()}
    return value


def complaints_about(operation, result):
    shape = client.meta.service_model.operation_model(operation).output_shape
    if shape is None or any(isinstance(value, StreamingBody) for value in result.values()):
        return ""
    known = {key: value for key, value in result.items() if key != "ResponseMetadata"}
    return ParamValidator().validate(known, shape).generate_report()


def run(order):
    arguments = from_wire(order.get("with", {}))
    if "wait" in order:
        client.get_waiter(order["wait"]).wait(WaiterConfig={"Delay": 0.1, "MaxAttempts": 200}, **arguments)
        return None
    if "pages" in order:
        pages = client.get_paginator(order["pages"]).paginate(PaginationConfig={"PageSize": order["size"]}, **arguments)
        return [to_wire(page) for page in pages]
    name = order["call"]
    result = getattr(client, name)(**arguments)
    complaints = complaints_about(client.meta.method_to_api_mapping[name], result)
    if complaints:
        raise AssertionError(complaints)
    return to_wire(result)


def answer(order):
    try:
        return {"result": run(order)}
    except Exception as error:  # Whatever it is, it is for the test to judge.
        details = getattr(error, "response", {})
        return {
            "error": {
                "class": type(error).__name__,
                "message": str(error),
                "code": details.get("Error", {}).get("Code"),
                "status": details.get("ResponseMetadata", {}).get("HTTPStatusCode"),
                "fields": {key: value for key, value in details.items() if isinstance(value, str)},
            }
        }


print(json.dumps({"operations": sorted(client.meta.method_to_api_mapping), "botocore": botocore.__version__}), flush=True)
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
