"""Does what its event says, and tells which worker it runs in and which call of it this is."""

import os
import time
import uuid

worker = str(uuid.uuid4())
calls = 0


def lambda_handler(event, context):
    global calls
    calls += 1
    if "print" in event:
        print(event["print"])
    if "throw" in event:
        raise ValueError(event["throw"])
    if "exit" in event:
        os._exit(event["exit"])
    if "sleep" in event:
        time.sleep(event["sleep"] / 1000)
    if "numbers" in event:
        return "".join(f"{number:08d}" for number in range(event["numbers"]))
    return {
        "event": event,
        "worker": worker,
        "calls": calls,
        "requestId": context.aws_request_id,
        "arn": context.invoked_function_arn,
    }
